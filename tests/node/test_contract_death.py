"""Contract of the node: nothing of it outlives its host, whatever a pod's program does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from environments.embedded.run_directory import RunDirectory
from tests.node.conftest import PORTS

pytestmark = pytest.mark.embedded

NAME = "mortal"


class MortalHost:
    """A host in a process of its own."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.node.mortal_host", NAME],
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self.process.stdout is not None
        told = self.process.stdout.readline()
        assert told, log.read_text()
        pids = json.loads(told)
        self.children: list[int] = pids["children"]
        self.away: int = pids["away"]
        assert len(_living(*self.children, self.away)) == len(self.children) + 1
        assert os.getsid(self.away) not in self.children


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalHost]:
    # The path of a test's own directory may be too long for the sockets in it.
    with tempfile.TemporaryDirectory(prefix="mita-") as state:
        monkeypatch.setenv("MITA_STATE", state)
        host = MortalHost(tmp_path / "host.log")
        yield host
        with host.process:
            host.process.kill()
        RunDirectory.claim(NAME, numbers=range(70, 80), ports=PORTS).release(remove=True)


def test_when_the_host_stops_even_a_program_that_ran_away_is_ended(host: MortalHost) -> None:
    host.process.terminate()
    assert host.process.wait(30) == 0
    assert _living(*host.children, host.away) == {}


def test_when_the_host_is_killed_its_children_die_and_the_next_start_ends_the_rest(host: MortalHost) -> None:
    host.process.send_signal(signal.SIGKILL)
    host.process.wait(10)
    _soon(lambda: not _living(*host.children), 5)
    RunDirectory.claim(NAME, numbers=range(70, 80), ports=PORTS).release(remove=True)
    assert _living(host.away) == {}


def _living(*pids: int) -> dict[int, list[str]]:
    """Return the command lines of those that run."""
    living = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                living[pid] = process.cmdline()
    return living


def _soon(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
