"""The directory of one run of an embedded environment, and the claim on it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deployer.errors import ConfigurationError, RefusedError
from environments.embedded import locations
from environments.embedded.network import NUMBERS, PORTS, Network, NetworkClaim, Ports, claim_network
from environments.embedded.processes.identity import ProcessIdentity
from environments.embedded.processes.lock import LockFile
from environments.embedded.processes.sweep import sweep

MANIFEST = "environment.json"

# Unix sockets lie directly in the directory, and the kernel takes 107 bytes for their path.
_LONGEST_ROOT = 90
# A lock without a living holder is being swept by another start, which takes this long at most.
_SWEEP_SECONDS = 30.0
_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class RunDirectory:
    """A directory that one living process has to itself, with a run id and a network.

    Attributes:
        name: Name of the environment; ``default`` for ``mita up``.
        root: The directory; may be traversed by other users, but not read.
        run_id: What every process of this run carries as ``MITA_RUN``.
        network: The run's own network.
        logs: Directory of the processes' log files.
    """

    def __init__(self, name: str, lock: LockFile, claim: NetworkClaim) -> None:
        self.name = name
        self.root = run_root(name)
        self.run_id = uuid.uuid4().hex
        self.network: Network = claim.network
        self.logs = self.root / "logs"
        self._lock = lock
        self._claim = claim
        self._manifest: dict[str, Any] = {}

    @classmethod
    def claim(cls, name: str, *, numbers: Iterable[int] = NUMBERS, ports: Ports = PORTS) -> RunDirectory:
        """Take a name and a free network, after sweeping what dead runs left.

        Whatever dead runs of this state directory left is swept, under any name:
        their processes are ended and their directories removed.

        Args:
            name: Lower-case letters, digits and hyphens.
            numbers: Network numbers to choose from.
            ports: Host parts and ports that have to be free on the network.

        Raises:
            RefusedError: A living process has the name (it is told which), or there is no free network.
            ConfigurationError: The name or the state directory cannot be used.
            NotReadyError: A process of a dead run cannot be ended.
        """
        root = _usable_root(name)
        with storage_errors(root):
            _make_passable(root.parent)
            lock = _take(root.with_suffix(".lock"))
            try:
                _remove_run(root)
                _sweep_others(root.parent)
                run = cls(name, lock, claim_network(numbers, ports))
            except BaseException:
                lock.release()
                raise
            try:
                # An unprivileged database server has to traverse the directory to its own.
                root.mkdir(mode=0o711)
                root.chmod(0o711)
                run.directory("logs")
                run.record(
                    name=name, run_id=run.run_id, network=run.network.number, pid=os.getpid(), processes={}
                )
            except BaseException:
                run.release(remove=True)
                raise
        return run

    def release(self, *, remove: bool, keep_logs: bool = False) -> None:
        """End what still carries the run's id, then give the name and the network back.

        Args:
            remove: Whether to remove the directory as well; if it stays, the next claim of the name
                removes it.
            keep_logs: Whether to leave the log files of a directory that is removed, for the same time.

        Raises:
            NotReadyError: A process of the run cannot be ended.
        """
        try:
            sweep(self.run_id, recorded_processes(self._manifest))
            if remove and self.root.exists():
                _remove_tree(self.root, keep=(self.logs.name, MANIFEST) if keep_logs else ())
        finally:
            self._claim.release()
            self._lock.release()

    def directory(self, *parts: str) -> Path:
        """Return a subdirectory that only its owner may enter, making it where it is missing."""
        path = self.root
        with storage_errors(path):
            for part in parts:
                path /= part
                path.mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, relative: str | Path, content: bytes | str, mode: int = 0o600) -> Path:
        """Replace a file of the directory, so that readers see all of the old or all of the new.

        Raises:
            ConfigurationError: The disk is full or may not be written to; the old file is unharmed.
        """
        path = self.root / relative
        self.directory(*Path(relative).parent.parts)
        with storage_errors(path):
            replace_file(path, content.encode() if isinstance(content, str) else content, mode)
        return path

    def record(self, **entries: Any) -> None:  # noqa: ANN401  any JSON value; each part keeps its own entries
        """Put entries into the manifest, which later commands attach by; never a secret value."""
        self._manifest |= entries
        self.write(MANIFEST, json.dumps(self._manifest, indent=2))


def run_root(name: str) -> Path:
    """Return the directory that a run of this name has, whether or not there is one."""
    return locations.state_directory() / "embedded" / name


def living_holder(name: str) -> int | None:
    """Return the pid of the process that holds a run now, or None."""
    identity = LockFile.holder(run_root(name).with_suffix(".lock"))
    return identity.pid if identity else None


def read_manifest(name: str) -> Mapping[str, Any] | None:
    """Read the manifest of a run, living or dead; None where there is none.

    Raises:
        ConfigurationError: It is there but cannot be read.
    """
    return _manifest(run_root(name))


def recorded_processes(manifest: Mapping[str, Any]) -> list[ProcessIdentity]:
    """Return the identities of the processes that a manifest names."""
    return [
        ProcessIdentity(int(entry["pid"]), float(entry["started"]))
        for entry in manifest.get("processes", {}).values()
    ]


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Replace one file atomically.

    Raises:
        OSError: It cannot be written; the old file is unharmed and nothing else is left.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Explain a full disk, a read-only or a forbidden directory to the user."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        raise ConfigurationError(
            str(error.filename or path),
            expected="a directory that can be written to, with free space",
            seen=os.strerror(error.errno),
            remedy="Make room or give yourself access, or set MITA_STATE to another directory.",
        ) from error


def _usable_root(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "name of the environment",
            expected="at most 31 lower-case letters, digits and hyphens",
            seen=repr(name),
            remedy="Choose another name.",
        )
    root = run_root(name)
    if len(os.fsencode(root)) > _LONGEST_ROOT:
        raise ConfigurationError(
            str(root),
            expected=f"a path of at most {_LONGEST_ROOT} bytes, because Unix sockets lie in it",
            seen=f"{len(os.fsencode(root))} bytes",
            remedy="Set MITA_STATE to a directory with a shorter path.",
        )
    return root


def _make_passable(directory: Path) -> None:
    """Make a directory that an unprivileged database server can traverse, whatever the user's umask."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        path.chmod(0o755)


def _take(path: Path) -> LockFile:
    deadline = time.monotonic() + _SWEEP_SECONDS
    while True:
        try:
            return LockFile(path)
        except BlockingIOError:
            holder = LockFile.holder(path)
            if holder or time.monotonic() > deadline:
                who = f"process {holder.pid}" if holder else "another start, which does not end"
                raise RefusedError(
                    f"embedded environment {path.stem!r}",
                    expected="no other running under that name",
                    seen=f"it is held by {who}",
                    remedy="Use the one that runs (mita status), or stop it first (mita down).",
                ) from None
            time.sleep(0.05)


def _sweep_others(parent: Path) -> None:
    for path in parent.glob("*.lock"):
        if LockFile.holder(path):
            continue
        with contextlib.suppress(BlockingIOError):
            lock = LockFile(path, sign=False)
            try:
                _remove_run(path.with_suffix(""))
            finally:
                lock.release()


def _remove_run(root: Path) -> None:
    manifest = _manifest(root)
    if manifest is not None:
        sweep(str(manifest["run_id"]), recorded_processes(manifest))
    if root.exists():
        _remove_tree(root)


def _remove_tree(root: Path, keep: Collection[str] = ()) -> None:
    with storage_errors(root):
        # The manifest goes last, so that a removal cut short can be taken up again.
        for entry in sorted(root.iterdir(), key=lambda entry: entry.name == MANIFEST):
            if entry.name in keep:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if not keep:
            root.rmdir()


def _manifest(root: Path) -> dict[str, Any] | None:
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        if not isinstance(manifest, dict) or "run_id" not in manifest:
            raise ValueError("no run id")  # noqa: TRY301  told together with what json finds
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            str(path),
            expected="the manifest of a run",
            seen=str(error),
            remedy=f"See that nothing of that run is left, then remove {root}.",
        ) from error
    return manifest
