"""A directory whose files change all at once, laid out as the kubelet lays out volumes.

    ..2026_01_31_120000.5f3a/    what is shown now
    ..data -> ..2026_01_31_120000.5f3a
    password -> ..data/password

A change writes a new directory beside the old one and replaces the link ``..data``, which
is one rename.  Who opens files through ``..data`` resolved once sees all of one state.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_DATA = "..data"


class File(NamedTuple):
    """What a file of a volume holds, and its permission bits."""

    content: bytes
    mode: int


type Payload = Mapping[str, File]


def write(directory: Path, payload: Payload) -> None:
    """Make a directory show exactly the given files.

    Args:
        directory: Made where it is missing.
        payload: Files by relative path; directories on the way are made.

    Raises:
        OSError: A file cannot be written; what was shown before is still shown.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / _DATA
    previous = directory / data.readlink() if data.is_symlink() else None
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H%M%S.")
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=directory))
    try:
        fresh.chmod(0o755)
        for path, file in payload.items():
            _write_file(fresh / path, file)
        _link(directory, _DATA, fresh.name)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _show(directory, {PurePosixPath(path).parts[0] for path in payload})
    if previous is not None:
        shutil.rmtree(previous, ignore_errors=True)


def _write_file(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def _show(directory: Path, names: set[str]) -> None:
    """Have one link for each name, and no other."""
    shown = {entry.name for entry in directory.iterdir() if not entry.name.startswith("..")}
    for name in names - shown:
        _link(directory, name, f"{_DATA}/{name}")
    for name in shown - names:
        (directory / name).unlink()


def _link(directory: Path, name: str, target: str) -> None:
    temporary = directory / f"..link_{name.removeprefix('..')}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(directory / name)
