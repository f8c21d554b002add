"""A site for single servers: a claimed run directory with a supervisor, and nothing else."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory, run_root
from environments.embedded.site import Site

# Numbers that no other room's tests use.
NUMBERS = range(85, 95)


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory of the test's own.

    It is none of pytest's, which are closed to the account that PostgreSQL runs as.
    """
    with tempfile.TemporaryDirectory(prefix="mita-") as name:
        Path(name).chmod(0o711)
        monkeypatch.setenv("MITA_STATE", name)
        yield Path(name)


@pytest.fixture
def tools() -> Mapping[str, Path]:
    """The site's tools; overridden where a server needs some."""
    return {}


@pytest.fixture
async def site(state: Path, tools: Mapping[str, Path]) -> AsyncIterator[Site]:
    assert run_root("test").is_relative_to(state)
    run = RunDirectory.claim("test", numbers=NUMBERS)
    supervisor = Supervisor(run)
    try:
        yield Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
    finally:
        await supervisor.stop_all()
        run.release(remove=True)


def listeners(pid: int) -> set[str]:
    """Return what a process and its children listen on, as ``address:port``."""
    process = psutil.Process(pid)
    found = set()
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a child may come and go
            for connection in each.net_connections(kind="inet"):
                if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE):
                    found.add(f"{connection.laddr.ip}:{connection.laddr.port}")
    return found


def written(root: Path) -> dict[Path, bytes]:
    """Return the content of every file below a directory."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
