"""The environments by the names that ``--environment`` takes."""

from __future__ import annotations

from pathlib import Path

from deployer.errors import ConfigurationError
from environments.embedded.environment import EmbeddedEnvironment
from environments.embedded.smoke_identity import EmbeddedSmokeIdentity
from environments.guard import Budget, Guard, ReadOnlyEnvironment
from environments.protocol import Environment

KINDS = ("embedded",)
_EMBEDDED_SECONDS, _EMBEDDED_REQUESTS = 120.0, 2000


def create(name: str, configuration: Path | None = None) -> Environment:
    """Make the environment of a name, without starting it.

    Args:
        name: ``embedded``, or ``embedded:INSTANCE`` for another one beside it.
        configuration: What a real environment is described by; the embedded one takes none.

    Raises:
        ConfigurationError: There is no such environment, or it takes no configuration.
    """
    kind, _, instance = name.partition(":")
    if kind not in KINDS:
        raise ConfigurationError(
            "--environment",
            expected=f"one of {', '.join(KINDS)}",
            seen=name,
            remedy="Choose one of those; `embedded:NAME` is a further embedded one.",
        )
    if configuration is not None:
        raise ConfigurationError(
            "--config",
            expected="none for the embedded environment, which knows its own addresses",
            seen=str(configuration),
            remedy="Leave it out.",
        )
    return EmbeddedEnvironment(instance or "default")


def read_only(environment: Environment) -> ReadOnlyEnvironment:
    """Return an environment as a run meets it that only reads; it runs, and is deployed.

    Raises:
        ConfigurationError: Changes were authorised in it.
    """
    if isinstance(environment, ReadOnlyEnvironment):
        return environment
    if isinstance(environment, EmbeddedEnvironment):
        return ReadOnlyEnvironment(
            EmbeddedSmokeIdentity(environment),
            Guard(Budget(seconds=_EMBEDDED_SECONDS, requests=_EMBEDDED_REQUESTS)),
        )
    raise ConfigurationError(
        "--authorise",
        expected="none for a run that only reads",
        seen="a change that is authorised",
        remedy="Leave it out.",
    )
