"""A load run ends with whoever began it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deployer.eventually import eventually
from loadtests.process import Load

_BEGIN = """
import sys, time
from pathlib import Path
from loadtests.process import Load
load = Load("http://127.0.0.1:9", Path(sys.argv[1]), "--shape", "hold", "--open", "1", "--seconds", "600")
print(load._process.pid, flush=True)
time.sleep(600)
"""


def test_it_is_ended_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _BEGIN, str(tmp_path / "load")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    load = psutil.Process(int(parent.stdout.readline()))
    assert load.is_running()
    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    def lives() -> str | None:
        ended = not load.is_running() or load.status() == psutil.STATUS_ZOMBIE
        return None if ended else "it goes on"

    eventually(lives, subject="the load run", deadline=30, remedy="See who keeps it.")


def test_results_are_where_a_relative_directory_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust works in the project's root, and its caller perhaps elsewhere."""
    monkeypatch.chdir(tmp_path)
    load = Load("http://127.0.0.1:9", Path("results"), "--shape", "hold", "--open", "1", "--seconds", "600")
    try:
        load.await_requests()
    finally:
        load.kill()

    assert (tmp_path / "results" / "locust.log").exists()


_STOP = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_IGN)
from loadtests.process import Load
load = Load("http://127.0.0.1:9", Path(sys.argv[1]), "--shape", "hold", "--open", "1", "--seconds", "600")
try:
    load.await_requests()
    print(load.stop()["total"]["requests"])
finally:
    load.kill()
"""


def test_it_is_stopped_and_sums_up_where_ctrl_c_is_ignored(tmp_path: Path) -> None:
    """As a shell has it for what it runs in its background."""
    done = subprocess.run(
        [sys.executable, "-c", _STOP, str(tmp_path / "load")],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
