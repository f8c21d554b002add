"""Keeping deployments, rotations and rollbacks of one place apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from deployer.errors import RefusedError

_LOCK = "apply.lock"


@contextmanager
def alone(directory: Path, subject: str, expected: str) -> Iterator[None]:
    """Hold the lock of a place for the length of a block.

    Args:
        directory: Of the place's receipts; made if it is not there.
        subject: Who wants to be alone.
        expected: Apart from whom.

    Raises:
        RefusedError: Somebody else holds it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(directory / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RefusedError(
            subject,
            expected=expected,
            seen=f"{directory / _LOCK} is held",
            remedy="Wait until the other one ends.",
        ) from None
    try:
        yield
    finally:
        lock.release()
