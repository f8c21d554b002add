"""A load run ends with whoever began it, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from deployer.eventually import eventually

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
