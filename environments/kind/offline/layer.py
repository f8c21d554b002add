"""A layer of an image: the same files give the same bytes, whoever writes them and when."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from collections.abc import Buffer, Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

type _Content = Path | bytes | None


class Layer:
    """Files of an image, gathered and then written in the order of their names.

    Only names, contents, modes, owners and links count.

    Attributes:
        epoch: The latest time that a file bears.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self._entries: dict[str, tuple[tarfile.TarInfo, _Content]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def file(self, name: str, content: Path | bytes, *, mode: int = 0o644) -> None:
        """Add a file of root's; what is a path is read when the layer is written."""
        self._parents(name)
        entry = self._entry(name, mode)
        entry.size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._entries[entry.name] = (entry, content)

    def directory(self, name: str, *, mode: int = 0o755) -> None:
        """Add a directory of root's."""
        self._parents(name)
        entry = self._entry(name, mode)
        entry.type = tarfile.DIRTYPE
        self._entries[entry.name] = (entry, None)

    def sources(
        self, root: Path, *, below: str = "", leave_out: Callable[[PurePosixPath], bool] = lambda _name: False
    ) -> None:
        """Add a directory of sources: root's, and executable or not.

        Args:
            root: The directory.
            below: Where in the image it is put; at the top unless given.
            leave_out: Told a name relative to the root.
        """
        for path in sorted(root.rglob("*")):
            relative = PurePosixPath(path.relative_to(root))
            name = f"{below}/{relative}"
            if leave_out(relative):
                continue
            if path.is_symlink():
                self._parents(name)
                entry = self._entry(name, 0o777)
                entry.type, entry.linkname = tarfile.SYMTYPE, path.readlink().as_posix()
                self._entries[entry.name] = (entry, None)
            elif path.is_file():
                self.file(name, path, mode=0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)

    def system(self, root: Path, *, leave_out: Callable[[str], bool] = lambda _name: False) -> None:
        """Add the root of a system with its owners, modes, links and times up to the epoch.

        Args:
            root: The directory.
            leave_out: Told a name relative to the root; what is below it stays out too.
        """
        seen: dict[tuple[int, int], str] = {}
        pending = sorted(root.iterdir(), reverse=True)
        while pending:
            path = pending.pop()
            name = path.relative_to(root).as_posix()
            if leave_out(name):
                continue
            self._found(path, name, seen)
            if path.is_dir() and not path.is_symlink():
                pending += sorted(path.iterdir(), reverse=True)

    def write(self, path: Path) -> str:
        """Write the layer as a tar file, and return its SHA-256 sum.

        Raises:
            OSError: It cannot be written, or what it is made of cannot be read.
        """
        with path.open("wb") as stream:
            hashing = _Hashing(stream)
            with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                for name in sorted(self._entries, key=lambda each: PurePosixPath(each).parts):
                    _add(tar, *self._entries[name])
            return hashing.sum.hexdigest()

    def _entry(self, name: str, mode: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name.strip("/"))
        entry.mode, entry.mtime = mode, self.epoch
        return entry

    def _parents(self, name: str) -> None:
        for parent in PurePosixPath(name.strip("/")).parents:
            if parent.parts and str(parent) not in self._entries:
                entry = self._entry(str(parent), 0o755)
                entry.type = tarfile.DIRTYPE
                self._entries[entry.name] = (entry, None)

    def _found(self, path: Path, name: str, seen: dict[tuple[int, int], str]) -> None:
        status = path.lstat()
        entry = self._entry(name, stat.S_IMODE(status.st_mode))
        entry.uid, entry.gid = status.st_uid, status.st_gid
        entry.mtime = min(int(status.st_mtime), self.epoch)
        content: _Content = None
        identity = (status.st_dev, status.st_ino)
        if stat.S_ISLNK(status.st_mode):
            entry.type, entry.linkname = tarfile.SYMTYPE, path.readlink().as_posix()
        elif stat.S_ISDIR(status.st_mode):
            entry.type = tarfile.DIRTYPE
        elif not stat.S_ISREG(status.st_mode):
            return  # sockets and devices: whoever runs the image makes them
        elif identity in seen:
            entry.type, entry.linkname = tarfile.LNKTYPE, seen[identity]
        else:
            entry.size, content = status.st_size, path
            seen[identity] = name
        self._entries[name] = (entry, content)


class _Hashing(io.RawIOBase):
    """Passes on what is written, and sums it up."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        self.sum.update(data)
        return self._stream.write(data)


def _add(tar: tarfile.TarFile, entry: tarfile.TarInfo, content: _Content) -> None:
    if content is None:
        tar.addfile(entry)
    elif isinstance(content, bytes):
        tar.addfile(entry, io.BytesIO(content))
    else:
        with content.open("rb") as source:
            tar.addfile(entry, source)
