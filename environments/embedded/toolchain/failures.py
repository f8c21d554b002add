"""What went wrong in the toolchain, told to the person who has to act on it."""

from __future__ import annotations

import errno
import re
import shutil
from pathlib import Path

from deployer.errors import ConfigurationError, MissingToolError, MitaError
from environments.embedded.toolchain.store import Store

NO_SPACE = "no space left on device"
# Sources and Go's caches (7.6) and the programs (0.5), measured after a build from nothing.
ROOM_GIB = 9

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}
_OTHER_CACHE = "or set MITA_CACHE to a directory"
_NETWORK = re.compile(
    r"dial tcp|no such host|connection (?:refused|reset)|i/o timeout|TLS handshake|proxyconnect"
    r"|network is unreachable|module lookup disabled|\b50[234] "
)
_NOT_AS_PINNED = re.compile(r"SECURITY ERROR|checksum mismatch|missing go\.sum entry|verifying module")
_LAST = 6


def command_failed(name: str, *, command: str, code: int, log: Path, store: Store) -> MitaError:
    """Explain a command of Go's that ended with an error.

    Args:
        name: The artefact that was being made.
        command: The command without its arguments.
        code: Exit code; negative for a signal.
        log: All that it wrote.
        store: The cache that it worked in.
    """
    output = log.read_text(errors="replace")
    if NO_SPACE in output:
        return disk_full(store)
    remedy = "Read the log; a build that is started again goes on where this one was."
    if _NOT_AS_PINNED.search(output):
        remedy = "What was downloaded is not what go.sum pins: do not use it, look at where GOPROXY points."
    elif _NETWORK.search(output):
        remedy = "Let Go reach a module proxy (GOPROXY, HTTPS_PROXY), then start again: it goes on from here."
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return MissingToolError(
        name,
        expected=f"`{command}` to succeed",
        seen=f"{how}: {last_lines(output)} (log: {log})",
        remedy=remedy,
    )


def unusable(store: Store, error: OSError) -> MitaError | None:
    """Explain a cache that cannot be written; None if the error is about something else."""
    if error.errno in _FULL:
        return disk_full(store)
    if error.errno not in _NOT_WRITABLE:
        return None
    return ConfigurationError(
        f"cache {store.root}",
        expected="a directory that can be written, because something has to be built",
        seen=f"{error.strerror}: {error.filename or store.root}",
        remedy=f"Make it writable, {_OTHER_CACHE} that is.",
    )


def disk_full(store: Store) -> MitaError:
    """Explain a full disk: where, what is needed, what is free."""
    return ConfigurationError(
        f"cache {store.root}",
        expected=f"room for a build, about {ROOM_GIB} GiB from nothing",
        seen=f"no space left, {free_gib(store.root):.1f} GiB free",
        remedy=f"Free some space {_OTHER_CACHE} on another disk; the build then goes on where it was.",
    )


def free_gib(path: Path) -> float:
    """Return the free space, in GiB, of the file system that a path is on or will be on."""
    existing = next(each for each in (path, *path.parents) if each.exists())
    return shutil.disk_usage(existing).free / 2**30


def last_lines(output: str) -> str:
    """Return the end of a program's output on one line."""
    return " | ".join(line.strip() for line in output.strip().splitlines()[-_LAST:]) or "no output"
