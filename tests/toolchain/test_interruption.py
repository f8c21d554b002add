"""Runs that are killed, interrupted, or meet another run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from environments.embedded.toolchain import child
from tests.toolchain.conftest import Room, eventually, gone


def test_a_killed_run_leaves_no_build_and_the_next_one_completes(room: Room) -> None:
    other, build = room.start_held()
    other.kill()
    other.communicate()
    eventually(lambda: gone(build), "the killed run's build has ended")
    assert [name for name in room.entries() if not name.startswith(".partial-")] == []
    (room.cache / "toolchain" / ".partial-hello-v1.0.0-left-by-another").mkdir()
    room.go.let_go()
    path = room.ensure()["hello"]
    assert room.entries() == [path.parent.name]


def test_an_interrupted_run_ends_its_build_and_cleans_up(room: Room) -> None:
    other, build = room.start_held()
    other.send_signal(signal.SIGINT)
    _, errors = other.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    eventually(lambda: gone(build), "the interrupted run's build has ended")
    assert room.entries() == []
    room.go.let_go()
    assert room.ensure()["hello"].exists()


def test_whatever_interrupts_a_child_ends_its_whole_group(tmp_path: Path) -> None:
    # This process lives on, as a test runner does, so that the kernel ends nothing for us.
    pids = tmp_path / "pids"

    def interrupt(seconds: float) -> None:
        if pids.exists() and pids.read_text().count("\n") == 2:
            raise KeyboardInterrupt
        assert seconds < 60, "the child never wrote its two process ids"

    script = f"trap '' TERM; sleep 600 & echo $! > {pids}; echo $$ >> {pids}; wait"
    with pytest.raises(KeyboardInterrupt):
        child.run(
            ["/bin/sh", "-c", script],
            directory=tmp_path,
            environment=os.environ,
            log=tmp_path / "log",
            tick=interrupt,
        )
    # The kernel takes a moment to end what was killed, and only the child is waited for.
    eventually(lambda: all(gone(int(pid)) for pid in pids.read_text().split()), "the child's group has ended")


def test_two_runs_at_once_build_once_and_the_second_says_whom_it_waits_for(room: Room) -> None:
    first, _ = room.start_held()
    second = room.start_other()
    assert second.stdout is not None
    waiting = second.stdout.readline()
    assert f"waiting for process {first.pid}" in waiting
    room.go.let_go()
    first_path = first.communicate(timeout=60)[0].splitlines()[-1]
    second_path = second.communicate(timeout=60)[0].splitlines()[-1]
    assert (first.returncode, second.returncode) == (0, 0)
    assert first_path == second_path
    assert len(room.go.builds()) == 1
