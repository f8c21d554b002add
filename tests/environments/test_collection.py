"""What is copied for the report of a failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from deployer.cluster import Cluster
from environments.collection import KINDS, LOG_BYTES, copy_end, write_objects


class Objects:
    """A cluster that has pods, and does not let anybody see the rest."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def list(self, _version: str, kind: str, namespace: str | None = None) -> list[dict[str, str]]:
        self.asked.append((kind, namespace))
        if kind != "Pod":
            msg = "forbidden"
            raise PermissionError(msg)
        return [{"name": "mita-1"}]


def test_states_are_written_a_file_a_kind_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    cluster = Objects()

    write_objects(cast(Cluster, cluster), tmp_path / "new" / "objects", namespace="mita")

    files = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "new" / "objects").iterdir()}
    assert files.keys() == {kind for _, kind in KINDS}
    assert files["Pod"] == [{"name": "mita-1"}]
    assert files["Deployment"] == {"could not be read": "PermissionError('forbidden')"}
    assert {namespace for _, namespace in cluster.asked} == {"mita"}


def test_of_a_long_log_its_end_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(b"first\n" + b"x" * LOG_BYTES + b"\nlast\n")

    copy_end(log, tmp_path / "kept" / "server.log")

    kept = (tmp_path / "kept" / "server.log").read_bytes()
    assert len(kept) == LOG_BYTES
    assert kept.endswith(b"\nlast\n")
    assert b"first" not in kept


def test_a_short_log_is_kept_whole(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("all of it\n")
    copy_end(log, tmp_path / "kept.log")
    assert (tmp_path / "kept.log").read_text() == "all of it\n"
