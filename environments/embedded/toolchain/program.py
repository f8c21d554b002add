"""Programs: built by ``go build``, or found where somebody has installed the same version."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from environments.embedded.toolchain.artefact import Artefact
from environments.embedded.toolchain.patch import Patch

if TYPE_CHECKING:
    from environments.embedded.toolchain.go import Workshop

_VERSION = re.compile(r"\bv?(\d+\.\d+\.\d+[-+.\w]*)")
# Helm's releases add the commit, which says no more than the version does.  Other
# additions (+k3s1) name a changed program and stay.
_COMMIT = re.compile(r"\+g[0-9a-f]+$")
_ANSWER_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class Program(Artefact):
    """A Go program.

    Attributes:
        package: Import path of its main package.
        stamps: Values for ``-ldflags -X``; ``{version}``, ``{major}`` and ``{minor}`` are filled in.
        ask: Arguments that make it print its version; None: only our own build will do.
        patch: A line that our build changes.
        tags: Go's build tags.
    """

    package: str
    stamps: tuple[str, ...] = ()
    ask: tuple[str, ...] | None = None
    patch: Patch | None = None
    tags: tuple[str, ...] = ()

    def recipe(self) -> list[str]:
        """Return the package, the build's flags and the patch."""
        return [self.package, *self._flags(), repr(self.patch)]

    def _flags(self) -> list[str]:
        major, minor = self.version.removeprefix("v").split(".")[:2]
        stamps = [
            f"-X {stamp.format(version=self.version, major=major, minor=minor)}" for stamp in self.stamps
        ]
        tags = ["-tags=" + ",".join(self.tags)] if self.tags else []
        return ["-trimpath", *tags, "-ldflags=" + " ".join(["-s", "-w", *stamps])]

    def make(self, workshop: Workshop, into: Path) -> None:
        """Build the program."""
        directory = self.directory
        if self.patch is not None:
            directory = workshop.store.scratch / self.name
            self.patch.apply(workshop.module(self, self.patch.module), self.directory, directory)
        arguments = ("build", *self._flags(), "-o", str(into / self.name), self.package)
        workshop.go(self, *arguments, directory=directory)

    def installed_version(self, path: Path) -> str | None:
        """Ask an installed program for its version.

        Args:
            path: The program.

        Returns:
            The version in the form of ``version``, or None when it does not answer with one.
        """
        try:
            answer = subprocess.run(
                [path, *(self.ask or ())],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_ANSWER_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return parse_version(answer.stdout)


def parse_version(text: str) -> str | None:
    """Return the first version in a program's answer as ``v1.2.3``, or None."""
    found = _VERSION.search(text)
    return None if found is None else "v" + _COMMIT.sub("", found[1])
