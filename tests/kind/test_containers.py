"""Waiting for a server in its container."""

from __future__ import annotations

import pytest

from deployer.errors import NotReadyError
from environments.kind.cluster import LABEL
from environments.kind.containers import Containers
from tests.kind.fake_docker import Daemon, Thing


@pytest.mark.timeout(20)
def test_one_that_has_ended_is_not_waited_for_and_its_last_words_are_told() -> None:
    daemon = Daemon()
    daemon.containers.held = [Thing("mita-default-redis", {LABEL: "default"}, status="exited")]
    containers = Containers(daemon.engine(), "default", "mita-default")

    with pytest.raises(NotReadyError, match="mita-default-redis") as refused:
        containers.wait("redis", lambda: "nothing answers")

    assert "exited: said" in str(refused.value)


def test_one_that_runs_is_waited_for() -> None:
    daemon = Daemon()
    daemon.containers.held = [Thing("mita-default-redis", {LABEL: "default"})]
    told = iter(["nothing answers", None])
    Containers(daemon.engine(), "default", "mita-default").wait("redis", lambda: next(told))
    assert next(told, "asked") == "asked"
