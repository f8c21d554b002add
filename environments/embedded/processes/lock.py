"""A lock file that tells who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path

from environments.embedded.processes.identity import ProcessIdentity


class LockFile:
    """An exclusive lock, held by this process until released and freed by the kernel if it dies.

    The file exists only while the lock is held, or when its holder died.  It carries the
    holder's identity so that others can name it without touching the lock.  Child
    processes do not inherit it.

    Attributes:
        path: The lock file.
    """

    def __init__(self, path: Path, *, sign: bool = True) -> None:
        """Take the lock.

        Args:
            path: The lock file; made if it is missing.
            sign: Whether to name this process as the holder.  One that only clears up after a
                dead holder does not, so that nobody takes it for a run.

        Raises:
            BlockingIOError: Somebody else holds it.
            OSError: The file cannot be made.
        """
        self.path = path
        while True:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_at_path():
                    if sign:
                        self._sign()
                    return
            except BaseException:
                os.close(self._descriptor)
                raise
            # The last holder removed the file between our opening and locking it.
            os.close(self._descriptor)

    def release(self) -> None:
        """Remove the file and let others have the lock."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self._descriptor)

    @staticmethod
    def holder(path: Path) -> ProcessIdentity | None:
        """Name the living process that holds the lock at a path, or None."""
        try:
            signed = json.loads(path.read_text())
            identity = ProcessIdentity(int(signed["pid"]), float(signed["started"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return identity if identity.find() else None

    def _is_at_path(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        identity = ProcessIdentity.of(os.getpid())
        os.ftruncate(self._descriptor, 0)
        os.pwrite(
            self._descriptor, json.dumps({"pid": identity.pid, "started": identity.started}).encode(), 0
        )
