"""One thing that the toolchain can make: what it depends on and how it is made."""

from __future__ import annotations

import functools
import hashlib
import platform
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from environments.embedded.toolchain.go import Workshop

# Go's names for processors.  The system is Linux wherever an embedded environment runs.
_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}
GOOS = platform.system().lower()
GOARCH = _PROCESSORS.get(platform.machine(), platform.machine())


@dataclass(frozen=True, kw_only=True)
class Artefact(ABC):
    """Something made from a pinned Go module.

    Attributes:
        name: Its usual name; unique in a catalogue.
        directory: Holds the ``go.mod`` and ``go.sum`` that pin it.
        module: The Go module whose version is the artefact's version.
        seconds: How long it takes from nothing on two cores.
    """

    name: str
    directory: Path
    module: str
    seconds: int

    @functools.cached_property
    def version(self) -> str:
        """The version that ``go.mod`` pins, such as ``v1.36.3``."""
        return pinned_version(self.directory, self.module)

    @functools.cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits that differ when anything differs that it is made from."""
        inputs = [GOOS, GOARCH, self.module]
        inputs += [(self.directory / name).read_text() for name in ("go.mod", "go.sum")]
        inputs += self.recipe()
        # Lengths keep two inputs from being taken for one.
        joined = "".join(f"{len(each)}:{each}" for each in inputs)
        return hashlib.sha256(joined.encode()).hexdigest()[:12]

    @abstractmethod
    def recipe(self) -> list[str]:
        """Return what decides the result besides the pinned modules."""

    @abstractmethod
    def make(self, workshop: Workshop, into: Path) -> None:
        """Make the artefact named ``name`` in an empty directory.

        Args:
            workshop: Go, and where it may work.
            into: The directory; nobody uses it before this returns.

        Raises:
            MitaError: It cannot be made.
            OSError: The cache cannot be written.
        """


def pinned_version(directory: Path, module: str) -> str:
    """Return the version of a module that the ``go.mod`` in a directory requires.

    Raises:
        LookupError: It requires no such module.
    """
    path = directory / "go.mod"
    pinned = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", path.read_text(), re.MULTILINE)
    if pinned is None:
        msg = f"{path} requires no {module}"
        raise LookupError(msg)
    return pinned[1]
