"""Reads a mounted Kubernetes secret, one whole generation at a time.

The kubelet writes a generation into a hidden directory and then points the symbolic link ``..data``
at it, atomically.  So the link's target names the generation, and reading through the resolved target
never mixes two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

_LINK = "..data"


@dataclass(frozen=True, slots=True)
class Generation:
    """One state of a mounted secret.

    Attributes:
        marker: Names the generation; differs from that of every other generation of the directory.
        values: The secret's values by key, without surrounding white space.
    """

    marker: str
    values: dict[str, str] = field(repr=False)


def marker(directory: Path) -> str:
    """Name the generation that is mounted now, by one system call; empty when nothing is mounted.

    A plain directory, such as one made by hand, is a single generation.
    """
    try:
        return str((directory / _LINK).readlink())
    except OSError:
        return str(directory) if directory.is_dir() else ""


def read(directory: Path) -> Generation:
    """Read the generation that is mounted now.

    Raises:
        OSError: Nothing is mounted, or it cannot be read.
        UnicodeDecodeError: A value is not text.
    """
    while True:
        name = marker(directory)
        try:
            values = _values(directory / name)
        except FileNotFoundError:
            if marker(directory) == name:
                raise
        else:
            # A generation is removed only after the link has moved on: while it stands, nothing is missing.
            if marker(directory) == name:
                return Generation(name, values)


def _values(data: Path) -> dict[str, str]:
    return {
        entry.name: entry.read_text(encoding="utf-8").strip()
        for entry in data.iterdir()
        if not entry.name.startswith("..") and entry.is_file()
    }
