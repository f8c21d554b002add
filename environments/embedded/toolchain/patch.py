"""A build-time change of one line in a dependency, without a copy of its source.

Go refuses overlays of files in its module cache.  So the dependency's directory is
copied when the program is built, the line replaced there, and the build done in a copy
of our own module that puts this directory in the dependency's place.  The program
itself tells it: ``go version -m`` shows the replacement.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import MissingToolError

_REPLACEMENT = "patched"


@dataclass(frozen=True, slots=True)
class Patch:
    """One line to be replaced.

    Attributes:
        module: Go module that holds the file.
        file: The file's path inside the module.
        old: The whole line as it stands there.
        new: The line in its place; no more than one, so that positions in stack traces stay true.
    """

    module: str
    file: str
    old: str
    new: str

    def apply(self, dependency: Path, main: Path, into: Path) -> None:
        """Make a copy of our module that builds with the changed line.

        Args:
            dependency: Directory of the dependency in the module cache.
            main: Directory of our ``go.mod`` and ``go.sum``.
            into: Directory to make; the build is to run in it.

        Raises:
            MissingToolError: The line is not in the file exactly once: the pinned
                dependency is another one than this was written for.
        """
        lines = (dependency / self.file).read_text().split("\n")
        occurrences = lines.count(self.old)
        if occurrences != 1:
            raise MissingToolError(
                f"patch of {self.module}",
                expected=f"the line {self.old!r} once in {self.file}",
                seen=f"it {occurrences} times in {dependency}",
                remedy="The dependency's version has changed: adapt the patch in the toolchain's catalogue.",
            )
        lines[lines.index(self.old)] = self.new
        # copyfile: files in the module cache are read-only.
        shutil.copytree(dependency, into / _REPLACEMENT, copy_function=shutil.copyfile)
        (into / _REPLACEMENT / self.file).write_text("\n".join(lines))
        shutil.copyfile(main / "go.sum", into / "go.sum")
        # A relative path, because the program records it: it must not tell where it was built.
        replace = f"\nreplace {self.module} => ./{_REPLACEMENT}\n"
        (into / "go.mod").write_text((main / "go.mod").read_text() + replace)
