"""Mounts secrets in a directory as the kubelet does."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

_numbers = itertools.count(1)


class MountedSecret:
    """A directory whose keys change together: ``key -> ..data/key``, ``..data -> ..generation``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)

    def write(self, values: Mapping[str, str]) -> None:
        """Make these values the mounted generation, in one step, and remove the one before."""
        generation = self.path / f"..2026_01_01_00_00_00.{next(_numbers)}"
        generation.mkdir()
        for key, value in values.items():
            (generation / key).write_text(value)
        link = self.path / "..data"
        before = link.readlink() if link.is_symlink() else None
        fresh = self.path / "..data_tmp"
        fresh.symlink_to(generation.name)
        fresh.replace(link)
        for key in values:
            if not (self.path / key).is_symlink():
                (self.path / key).symlink_to(Path("..data") / key)
        if before is not None:
            shutil.rmtree(self.path / before)


def database_url(user: str, password: str, host: str, port: int) -> str:
    """Return the URL that the operator's template writes."""
    return f"postgresql://{user}:{quote(password, safe='')}@{host}:{port}/mita"


def cache_url(password: str, host: str, port: int) -> str:
    """Return the URL that the operator's template writes."""
    return f"redis://:{quote(password, safe='')}@{host}:{port}/0"
