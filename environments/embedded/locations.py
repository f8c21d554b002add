"""Where the embedded environment keeps what it builds and what it runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from deployer.errors import ConfigurationError

# For root these are fixed: an unprivileged database user has to be able to traverse
# the way there, and root's home directory forbids that.
_ROOT_CACHE = Path("/var/cache/mita")
_ROOT_STATE = Path("/var/lib/mita")


def cache_directory() -> Path:
    """Return the directory of what can be built again; it need not exist yet.

    ``MITA_CACHE`` overrides it.

    Raises:
        ConfigurationError: ``MITA_CACHE`` is not an absolute path.
    """
    default = _ROOT_CACHE if os.geteuid() == 0 else platformdirs.user_cache_path("mita")
    return _overridden("MITA_CACHE", default)


def state_directory() -> Path:
    """Return the directory of what belongs to running environments; it need not exist yet.

    ``MITA_STATE`` overrides it.

    Raises:
        ConfigurationError: ``MITA_STATE`` is not an absolute path.
    """
    default = _ROOT_STATE if os.geteuid() == 0 else platformdirs.user_state_path("mita")
    return _overridden("MITA_STATE", default)


def deployment_directory(environment: str) -> Path:
    """Return the directory of an environment's receipts, locks and notes; it need not exist yet.

    Args:
        environment: The name that ``--environment`` takes.

    Raises:
        ConfigurationError: As for `state_directory`.
    """
    return state_directory() / "deployments" / environment.replace(":", "-")


def _overridden(variable: str, default: Path) -> Path:
    chosen = os.environ.get(variable)
    if not chosen:
        return default
    path = Path(chosen)
    if not path.is_absolute():
        # A daemon and its clients have different working directories.
        raise ConfigurationError(
            variable,
            expected="an absolute path",
            seen=chosen,
            remedy=f"Set {variable} to an absolute path, or unset it.",
        )
    return path
