"""Prometheus and Alertmanager, whatever starts them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

PROMETHEUS = "prometheus"
ALERTMANAGER = "alertmanager"
PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093

# They collect early instead of keeping half of their memory for later.
VARIABLES: Mapping[str, str] = MappingProxyType({"GOGC": "40", "GOMAXPROCS": "1", "TZ": "UTC"})


def prometheus(program: Path, *, configuration: Path, address: str, data: Path) -> tuple[str, ...]:
    """Return how Prometheus is started; it reads its rules anew when it is asked to.

    Args:
        program: Its path.
        configuration: Its file.
        address: Host and port where it listens.
        data: Its directory.
    """
    return (
        str(program),
        f"--config.file={configuration}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",  # how the rule bridge has it read new rules
        f"--storage.tsdb.path={data}",
        # Nothing outlives a run, and a run is short.
        "--storage.tsdb.retention.time=6h",
        "--storage.tsdb.wal-segment-size=10MB",
        "--query.max-concurrency=4",
        "--log.level=warn",
    )


def alertmanager(program: Path, *, configuration: Path, address: str, data: Path) -> tuple[str, ...]:
    """Return how Alertmanager is started; the arguments are Prometheus' own."""
    return (
        str(program),
        f"--config.file={configuration}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",  # it is alone
        f"--storage.path={data}",
        "--log.level=warn",
    )
