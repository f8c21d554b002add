"""`mita rollback` in a deployed environment, as a shell sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Mita, failure_labels
from tests.smoke.conftest import Place

pytestmark = pytest.mark.embedded


def test_a_legacy_secret_that_is_not_there_is_named_and_nothing_is_switched(place: Place) -> None:
    assert place.mita("deploy", "--rehearse", "--yes").returncode == 0  # mends what others planted

    done = place.mita("rollback", "--to", "legacy-secrets")

    assert done.returncode == 1
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]
    assert "mita-production/mita-production-legacy-secrets" in done.stderr
    assert place.mita("plan").returncode == 0


def test_the_operator_is_stopped_and_the_return_leaves_nothing_to_do(place: Place) -> None:
    stopped = place.mita("rollback", "--to", "operator-stopped")
    again = place.mita("rollback", "--to", "operator-stopped")
    differs = place.mita("plan")
    returned = place.mita("rollback", "--to", "secrets-manager")

    assert (stopped.returncode, again.returncode) == (0, 0), stopped.stderr + again.stderr
    assert differs.returncode == 2
    assert "external-secrets" in differs.stdout
    assert returned.returncode == 0, returned.stderr
    assert place.mita("plan").returncode == 0


def test_a_revision_that_is_not_there_is_named(place: Place) -> None:
    done = place.mita("rollback", "--to", "previous-revision", "--revision", "99")

    assert done.returncode == 1
    assert "revision 99" in done.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("--to", "nowhere"), ("--to", "legacy-secrets", "--revision", "3")], ids=str
)
def test_what_makes_no_sense_is_a_wrong_use(place: Place, arguments: tuple[str, ...]) -> None:
    assert place.mita("rollback", *arguments).returncode == 2


def test_in_a_real_environment_it_has_to_be_authorised(place: Place, tmp_path: Path) -> None:
    real = ("--environment", "production", "--config", str(place.config(tmp_path)))

    done = Mita(place.mita.state, place.exports)("rollback", "--to", "operator-stopped", *real)

    assert done.returncode == 1
    assert "mita rollback --to operator-stopped ... --authorise CHANGE-ID" in done.stderr
