"""Creating a child that cannot outlive its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1

# PyDLL keeps the interpreter's lock, so that the call after fork needs nothing of other threads.
_prctl = ctypes.PyDLL(None, use_errno=True).prctl


def spawn(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    user: int | None = None,
    group: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, writing to a log file, bound to die with this process.

    The child writes to the log's descriptor itself; nothing of ours sits between.

    Args:
        argv: Program and arguments.
        environment: The whole environment; nothing is inherited.
        directory: Working directory.
        log: File that standard output and standard error are appended to, mode 0600.
        user: User id to drop to.
        group: Group id to drop to; the supplementary groups are dropped as well.

    Raises:
        OSError: The program, the directory or the log cannot be used.
        RuntimeError: Called outside the main thread: the kernel would kill the child when that
            thread ends.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "processes are created by the main thread: they are killed when their creator ends"
        )
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        # preexec_fn runs after the change of user, which would clear the death signal, and
        # before exec, which keeps it.  It forks instead of using vfork, which costs a few
        # milliseconds; a wrapper program between would cost more and may be missing.
        return subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if group is None else [],
            umask=0o077,
            preexec_fn=dies_with(os.getpid()),  # noqa: PLW1509  see above; it takes no lock
        )
    finally:
        os.close(descriptor)


def dies_with(parent: int) -> Callable[[], None]:
    """Return what a child calls between fork and exec, so that it is killed when its parent ends.

    Args:
        parent: Pid of the process that forks; its main thread has to do so.
    """

    def ask_kernel() -> None:
        if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        # The parent may have died before the kernel knew.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel
