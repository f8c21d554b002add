"""Ending what a run left behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

import psutil

from deployer.errors import NotReadyError
from environments.embedded.processes.identity import ProcessIdentity

RUN_VARIABLE = "MITA_RUN"

_TERM_SECONDS = 5.0
_KILL_SECONDS = 10.0
# A straggler may fork while it is being ended, so looking is repeated until nothing is found.
_ROUNDS = 5


def stragglers(run_id: str, known: Iterable[ProcessIdentity] = ()) -> list[psutil.Process]:
    """Find the living processes of a run, whatever their names.

    A process belongs to the run if its environment carries the run's id, if the run's
    manifest names it by pid and start time, or if it descends from one that does.  The
    caller itself never counts.

    Args:
        run_id: The id that the run's processes carry as ``MITA_RUN``.
        known: Identities that the run wrote down.
    """
    found = {process.pid: process for identity in known if (process := identity.find())}
    marker = f"{RUN_VARIABLE}={run_id}".encode()
    for process in psutil.process_iter():
        if _ours(process) and marker in _environment(process.pid):
            found[process.pid] = process
    for process in list(found.values()):
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {child.pid: child for child in process.children(recursive=True)}
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _alive(process)]


def sweep(run_id: str, known: Iterable[ProcessIdentity] = ()) -> int:
    """End every process of a dead run: TERM, then KILL, awaited.

    Returns:
        How many processes were ended.

    Raises:
        NotReadyError: A process survived KILL, or may not be signalled.
    """
    known = tuple(known)
    ended: set[int] = set()
    for _ in range(_ROUNDS):
        processes = stragglers(run_id, known)
        if not processes:
            return len(ended)
        for process in processes:
            _signal(process, "terminate")
        _gone, alive = psutil.wait_procs(processes, timeout=_TERM_SECONDS)
        for process in alive:
            _signal(process, "kill")
        psutil.wait_procs(alive, timeout=_KILL_SECONDS)
        ended |= {process.pid for process in processes}
    left = stragglers(run_id, known)
    if left:
        raise NotReadyError(
            f"processes of run {run_id}",
            expected="every one of them ended",
            seen="still running: " + ", ".join(str(process.pid) for process in left),
            remedy="End them by hand (kill -KILL), then try again.",
        )
    return len(ended)


def _signal(process: psutil.Process, method: str) -> None:
    # psutil compares the start time again before it signals.
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        getattr(process, method)()


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _ours(process: psutil.Process) -> bool:
    # Root's runs have processes of other users (PostgreSQL refuses root); anybody
    # else's have only their own, and a stranger's claim to belong here is not believed.
    user = os.geteuid()
    try:
        return user in (0, process.uids().real)
    except psutil.NoSuchProcess:
        return False


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123  pathlib doubles the cost of a scan
            return file.read().split(b"\0")
    except OSError:
        return []
