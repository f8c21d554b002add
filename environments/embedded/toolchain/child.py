"""Run one child process to its end, and end it with us."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deployer.parent_death import end_with_parent

_TICK_SECONDS = 1.0
_GRACE_SECONDS = 5.0


def run(
    argv: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    log: Path,
    tick: Callable[[float], None],
) -> int:
    """Run a child in a process group of its own, and return its exit code.

    Whatever ends this call (an interruption too) ends the whole group first; if this
    process is killed, the kernel kills the child.

    Args:
        argv: Program and arguments.
        directory: Working directory.
        environment: Complete; nothing is inherited.
        log: Takes output and errors; begun anew.
        tick: Called every second with the seconds since the start.

    Raises:
        OSError: The log cannot be written, or the program cannot be started.
    """
    started = time.monotonic()
    with log.open("wb") as output:
        child = subprocess.Popen(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, and no other way to make it
        )
    try:
        ended = os.pidfd_open(child.pid)
        try:
            while not select.select([ended], [], [], _TICK_SECONDS)[0]:
                tick(time.monotonic() - started)
        finally:
            os.close(ended)
        return child.wait()
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.returncode is not None:
        return
    try:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
