"""What processes hold of the machine's memory."""

from __future__ import annotations

import contextlib

import psutil


def memory_of(pid: int) -> int:
    """Return the bytes that a process and all below it hold; pages that several share count once in all."""
    host = psutil.Process(pid)
    total = 0
    for process in (host, *host.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total
