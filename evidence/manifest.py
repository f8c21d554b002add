"""The manifest of a report directory: what every file in it was when the run ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deployer.errors import ConfigurationError, RefusedError
from evidence.model import write_atomically

MANIFEST_FILE = "manifest.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestEntry(_Record):
    """A file as it was.

    Attributes:
        name: Its path in the report directory.
        kind: A link is known by where it leads, not by what is there.
        size: In bytes.
        sha256: Sum of its content, or of the path that it leads to.
    """

    name: str
    kind: Literal["file", "link"] = "file"
    size: int
    sha256: str


class Manifest(_Record):
    """Every file of a report directory but the manifest itself, ordered by name."""

    algorithm: Literal["SHA-256"] = "SHA-256"
    files: tuple[ManifestEntry, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """What tells a report directory from its manifest, by the names of files."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.changed or self.missing or self.added)

    @property
    def summary(self) -> str:
        """How many files there are of each kind."""
        kinds = {"changed": self.changed, "missing": self.missing, "added": self.added}
        return ", ".join(f"{len(names)} {kind}" for kind, names in kinds.items() if names)

    def __str__(self) -> str:
        """Name every file, one a line."""
        kinds = (("changed", self.changed), ("missing", self.missing), ("added", self.added))
        return "\n".join(f"{kind}: {name}" for kind, names in kinds for name in names)


def seal(directory: Path) -> Path:
    """Write a report directory's manifest; nothing may be written there afterwards.

    Raises:
        OSError: A file cannot be read, or the manifest not be written.
    """
    manifest = Manifest(files=tuple(_entries(directory)))
    return write_atomically(directory / MANIFEST_FILE, manifest.model_dump_json(indent=1) + "\n")


def verify(directory: Path) -> Differences:
    """Hold a report directory against its manifest.

    Raises:
        ConfigurationError: It has none, or one that cannot be read.
        OSError: A file cannot be read.
    """
    before = {entry.name: entry for entry in load_manifest(directory).files}
    now = {entry.name: entry for entry in _entries(directory)}
    return Differences(
        changed=tuple(name for name in before if name in now and before[name] != now[name]),
        missing=tuple(name for name in before if name not in now),
        added=tuple(name for name in now if name not in before),
    )


def require_unchanged(directory: Path) -> None:
    """Let pass a report directory that is as its run left it, or that its run never came to seal.

    Raises:
        RefusedError: It was touched since.
        ConfigurationError: Its manifest cannot be read.
    """
    if not (directory / MANIFEST_FILE).exists():
        return
    if differences := verify(directory):
        raise RefusedError(
            str(directory),
            expected=f"the files of the run, as {MANIFEST_FILE} has them",
            seen="; ".join(str(differences).splitlines()),
            remedy="Take the directory from where it was kept unchanged; what was changed is no evidence.",
        )


def load_manifest(directory: Path) -> Manifest:
    """Read the manifest of a report directory.

    Raises:
        ConfigurationError: It has none, or one that cannot be read.
    """
    path = directory / MANIFEST_FILE
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            str(path),
            expected="the manifest of a report",
            seen=str(error),
            remedy="Name the directory of a run that came to its end, for example reports/latest.",
        ) from error


def _entries(directory: Path) -> Iterator[ManifestEntry]:
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            leads = str(path.readlink()).encode()
            digest = hashlib.sha256(leads).hexdigest()
            yield ManifestEntry(name=name, kind="link", size=len(leads), sha256=digest)
        elif path.is_file() and name != MANIFEST_FILE:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
                yield ManifestEntry(name=name, size=stream.tell(), sha256=digest)
