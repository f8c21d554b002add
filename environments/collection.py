"""Logs and states of objects, copied for the report of a failure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deployer.cluster import Cluster

LOG_BYTES = 1_000_000
"""As much as is kept of the end of a log."""

KINDS = (
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("external-secrets.io/v1beta1", "ExternalSecret"),
    ("external-secrets.io/v1beta1", "SecretStore"),
)
"""What a failure is likely to be about, and whoever only reads may read."""


def write_objects(
    cluster: Cluster, into: Path, kinds: Iterable[tuple[str, str]] = KINDS, namespace: str | None = None
) -> None:
    """Write down the states of objects, a file a kind.

    Args:
        cluster: Where they are.
        into: Directory for the files; made if it is not there.
        kinds: API version and kind of each.
        namespace: Only those in it; all, if left out.
    """
    into.mkdir(parents=True, exist_ok=True)
    for version, kind in kinds:
        try:
            found: object = cluster.list(version, kind, namespace)
        except Exception as error:  # noqa: BLE001  what cannot be read is part of the evidence
            found = {"could not be read": repr(error)}
        (into / f"{kind}.json").write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")


def end_of(log: Path) -> bytes:
    """Return the last of a log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        return file.read()


def copy_end(source: Path, target: Path) -> None:
    """Copy the last of a log."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(end_of(source))


def audit_records(log: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of an API server's audit log, but for one that is still being written."""
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)
