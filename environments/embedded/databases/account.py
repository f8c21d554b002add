"""The account that PostgreSQL runs as, which refuses to be root."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

# It is there on every system.  An account that no password file knows would have
# nothing else to its name, but initdb looks for it there.
_UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group.

    Attributes:
        user: User id.
        group: Group id.
    """

    user: int
    group: int

    def obstacle(self, path: Path) -> Path | None:
        """Return what keeps this account from a directory, by its modes: itself or one above it, or None."""
        path = path.resolve()
        ways = (each for each in (*reversed(path.parents), path) if not self._has(each, stat.S_IXOTH))
        return next(ways, None if self._has(path, stat.S_IROTH) else path)

    def _has(self, path: Path, other: int) -> bool:
        status = path.stat()
        if status.st_uid == self.user:
            needed = other << 6
        elif status.st_gid == self.group:
            needed = other << 3
        else:
            needed = other
        return bool(status.st_mode & needed)


def database_account() -> Account | None:
    """Return the account to drop to: for root ``nobody``, for everybody else None."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)
