"""The commands that the documents show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A command that a document shows.

    Attributes:
        document: The document, from the project's root.
        text: The command in one line.
    """

    document: str
    text: str

    @property
    def parts(self) -> list[str]:
        """Return its words, from the program on."""
        words = shlex.split(self.text, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        return words[2:] if words[:2] == ["uv", "run"] else words


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(document: Path) -> list[str]:
    """Return the shell's blocks of a document."""
    return [block for _, block in _BLOCK.findall(document.read_text(encoding="utf-8"))]


def shown() -> Iterator[Shown]:
    """Yield every command of every document."""
    for document in documents():
        for block in blocks(document):
            for line in block.replace("\\\n", " ").splitlines():
                for command in re.split(r"\s&&\s", line.strip()):
                    if command and not command.startswith("#"):
                        yield Shown(document.relative_to(ROOT).as_posix(), command)
