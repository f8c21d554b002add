"""What the process is told by its environment."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class Kind(enum.StrEnum):
    """The mounted Kubernetes secrets, one directory each."""

    DATABASE = "database"
    CACHE = "cache"
    AUTH = "auth"
    APP = "app"
    EXTERNAL = "external"
    NOTIFICATIONS = "notifications"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The process' configuration, free of secret values.

    Attributes:
        host: Address to listen on.
        port: TCP port to listen on.
        version: What is deployed, reported by ``/health``.
        environment: Name of the environment, reported by ``/health``.
        directories: Where each Kubernetes secret is mounted.
        poll_seconds: Pause between two looks at a mounted secret.
        drain_seconds: How long requests are still accepted after a request to end.
        grace_seconds: How long requests in flight may then still take.
        fingerprint_key: Key of the fingerprints in the metrics; empty for a random one of this process.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    version: str = "development"
    environment: str = "development"
    directories: Mapping[Kind, Path]
    poll_seconds: float = 0.1
    drain_seconds: float = 2.0
    grace_seconds: float = 15.0
    fingerprint_key: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read ``MITA_*`` variables; each has a default.

        ``MITA_HOST``, ``MITA_PORT``, ``MITA_VERSION``, ``MITA_ENVIRONMENT``, ``MITA_POLL_SECONDS``,
        ``MITA_DRAIN_SECONDS``, ``MITA_GRACE_SECONDS``, ``MITA_FINGERPRINT_KEY``, and for each kind
        its directory, such as ``MITA_DATABASE_DIRECTORY`` (default ``/etc/mita/secrets/database``).

        Raises:
            ValueError: A number is not one, or is out of its range; the message names the variable.
        """
        return cls(
            host=environment.get("MITA_HOST", cls.host),
            port=_number(environment, "MITA_PORT", cls.port, 1, 65535),
            version=environment.get("MITA_VERSION", cls.version),
            environment=environment.get("MITA_ENVIRONMENT", cls.environment),
            directories={
                kind: Path(environment.get(f"MITA_{kind.upper()}_DIRECTORY", f"/etc/mita/secrets/{kind}"))
                for kind in Kind
            },
            poll_seconds=_number(environment, "MITA_POLL_SECONDS", cls.poll_seconds, 0.01, 60.0),
            drain_seconds=_number(environment, "MITA_DRAIN_SECONDS", cls.drain_seconds, 0.0, 300.0),
            grace_seconds=_number(environment, "MITA_GRACE_SECONDS", cls.grace_seconds, 0.0, 300.0),
            fingerprint_key=environment.get("MITA_FINGERPRINT_KEY", cls.fingerprint_key),
        )


def _number[N: (int, float)](
    environment: Mapping[str, str], name: str, default: N, lowest: N, highest: N
) -> N:
    text = environment.get(name, str(default))
    try:
        number = type(default)(text)
    except ValueError:
        number = None
    if number is None or not lowest <= number <= highest:
        msg = f"{name}: expected a number from {lowest:g} to {highest:g}; seen {text!r}"
        raise ValueError(msg)
    return number
