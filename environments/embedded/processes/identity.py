"""Which process is meant: a pid alone may by now be somebody else's."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

# psutil derives the start time from the boot time, which the kernel corrects along with
# the clock; the same process may so be seen to have started a little earlier or later.
_TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process told apart from any other that gets the same pid later.

    Attributes:
        pid: Process id.
        started: When it started, in seconds since the epoch.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """Identify a process that exists.

        Raises:
            psutil.NoSuchProcess: It does not.
        """
        return cls(pid, psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process if it still runs; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) > _TOLERANCE:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None
