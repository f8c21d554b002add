"""Where what was made is kept: whole entries, each under the digest of what it was made from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from deployer.progress import Progress, Step

_WAIT_SECONDS = 0.5


class Store:
    """The toolchain's part of the cache directory.

    Nothing here is trusted by name alone: an entry exists only when it is whole,
    because it gets its name by a rename after everything in it is on the disk.

    Attributes:
        root: The cache directory.
        go: Go's own caches.
        scratch: For one build's files; emptied when the next run takes the lock.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.go = root / "go"
        self.scratch = self.go / "scratch"
        self._entries = root / "toolchain"
        self._holder = self._entries / ".holder"

    def entry(self, name: str, version: str, digest: str) -> Path:
        """Return an entry's directory, whether it exists or not."""
        return self._entries / f"{name}-{version}-{digest}"

    def log(self, name: str) -> Path:
        """Return the file for the output of what makes an artefact."""
        return self._entries / "logs" / f"{name}.log"

    @staticmethod
    def digest_of(text: str) -> str:
        """Return a short digest, for an entry's name, of what it is made from."""
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def publish(self, entry: Path, fill: Callable[[Path], object]) -> None:
        """Make an entry, so that nobody ever sees half of it.

        Args:
            entry: From ``entry``.
            fill: Puts the files into the directory that it is given.

        Raises:
            OSError: The cache cannot be written.
        """
        partial = self._entries / f".partial-{entry.name}"
        _directory(partial)
        try:
            fill(partial)
            _open_to_all(partial)
            # After a power cut the name must not promise what never reached the disk.
            os.sync()
            # There is one only when somebody has taken files out of it.
            shutil.rmtree(entry, ignore_errors=True)
            partial.rename(entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @contextlib.contextmanager
    def exclusive(self, progress: Progress) -> Iterator[None]:
        """Keep every other run from building until the block ends.

        Args:
            progress: Told who is being waited for.

        Raises:
            OSError: The cache cannot be written.
        """
        for path in (self.root, self.go, self._entries, self._entries / "logs"):
            _directory(path)
        lock = filelock.FileLock(self._entries / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            remark = f"waiting for process {self._read_holder()}, which builds into {self.root}"
            progress(Step("toolchain", "progress", remark))
            lock.acquire(poll_interval=_WAIT_SECONDS)
        try:
            self._holder.write_text(f"{os.getpid()}\n")
            self._sweep()
            yield
        finally:
            lock.release()

    def _read_holder(self) -> str:
        try:
            return self._holder.read_text().strip()
        except OSError:
            return "(not known yet)"

    def _sweep(self) -> None:
        """Remove what a killed run left: with the lock held, nobody is at work on it."""
        for partial in self._entries.glob(".partial-*"):
            shutil.rmtree(partial)
        shutil.rmtree(self.scratch, ignore_errors=True)
        _directory(self.scratch)


def _open_to_all(directory: Path) -> None:
    """Let unprivileged users run what is in it, whatever our umask is."""
    for path in directory.rglob("*"):
        if path.is_symlink():
            continue  # what it leads to may be another's: the Python of a virtual environment
        path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _directory(path: Path) -> None:
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(0o755)
