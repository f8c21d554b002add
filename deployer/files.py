"""Files that are there whole or not at all, for their owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from deployer.errors import ConfigurationError


def replace_atomically(path: Path, content: str) -> None:
    """Write a file with mode 0600, replacing what was there in one step.

    Raises:
        ConfigurationError: It cannot be written; nothing is left of the attempt.
    """
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ConfigurationError(
            str(path),
            expected="a file that can be written",
            seen=error.strerror or type(error).__name__,
            remedy="Make room, or name another place.",
        ) from error


def append_durably(path: Path, line: str) -> None:
    """Append one line, in one write, to a file with mode 0600, and have it on disk on return."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
