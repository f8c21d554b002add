"""The environments by the names that ``--environment`` takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.approvals import require_approvals
from deployer.errors import ConfigurationError
from environments.embedded.environment import EmbeddedEnvironment
from environments.guard import Budget, Guard, ReadOnlyEnvironment
from environments.guard.allowances import allowances
from environments.managed import Managed
from environments.protocol import Environment
from environments.real.configuration import Configuration, read_configuration
from environments.real.environment import RealEnvironment
from environments.smoke_identity import SmokeIdentity

KINDS = ("embedded", "kind")
if TYPE_CHECKING:
    from environments.kind.environment import KindEnvironment

_REAL_NAME = re.compile(r"[a-z][a-z0-9-]*")
_CHANGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{2,63}")
_LOCAL_SECONDS, _LOCAL_REQUESTS = 120.0, 2000


def create(
    name: str, configuration: Path | None = None, *, authorise: str | None = None, planning: bool = False
) -> Environment:
    """Make the environment of a name, without starting it.

    Args:
        name: ``embedded`` or ``kind``, or ``embedded:INSTANCE`` for another one beside it; any other
            name is that of a real environment.
        configuration: What a real environment is described by; the others take none.
        authorise: Id of the change that is authorised in a real environment; it is only read without.
        planning: Whether what is there is also compared with what is desired: that asks for more.

    Raises:
        ConfigurationError: There is no such environment, or it takes no configuration.
        RefusedError: A change is authorised, but not everybody who must has approved of it.
    """
    kind, _, instance = name.partition(":")
    if kind in KINDS:
        _take_none("--config", configuration)
        _take_none("--authorise", authorise)
        made = EmbeddedEnvironment if kind == "embedded" else _kind()
        return made(instance or "default")
    if configuration is None or not _REAL_NAME.fullmatch(name):
        raise ConfigurationError(
            "--environment",
            expected=f"one of {', '.join(KINDS)}, or the name of a real one together with --config",
            seen=name if configuration is None else f"{name} with --config {configuration}",
            remedy="Choose one of those; `embedded:NAME` is a further embedded one, and"
            " `mita init` describes a real one.",
        )
    return _real(name, read_configuration(configuration), authorise=authorise, planning=planning)


def _kind() -> type[KindEnvironment]:
    from environments.kind.environment import KindEnvironment  # noqa: PLC0415  Docker's client takes its time

    return KindEnvironment


def _take_none(option: str, value: object) -> None:
    if value is not None:
        raise ConfigurationError(
            option,
            expected="none for an environment of this machine, which knows its addresses and risks nothing",
            seen=str(value),
            remedy="Leave it out.",
        )


def _real(name: str, configuration: Configuration, *, authorise: str | None, planning: bool) -> Environment:
    aws = configuration.aws
    if authorise is not None:
        if not _CHANGE.fullmatch(authorise):
            raise ConfigurationError(
                "--authorise",
                expected="the id of a change, such as CHG-1234",
                seen=repr(authorise),
                remedy="Give the id under which the change was approved.",
            )
        require_approvals(configuration.approvals, datetime.now(UTC).date())
        return RealEnvironment(name, configuration, role=aws.deployment_role, change=authorise)
    budget = Budget(seconds=configuration.budget.seconds, requests=configuration.budget.requests)
    allowed = allowances().for_planning() if planning else allowances()
    place = RealEnvironment(name, configuration, role=aws.deployment_role if planning else aws.role)
    return ReadOnlyEnvironment(place, Guard(budget, allowed))


def read_only(environment: Environment) -> ReadOnlyEnvironment:
    """Return an environment as a run meets it that only reads; it runs, and is deployed.

    Raises:
        ConfigurationError: Changes were authorised in it.
    """
    if isinstance(environment, ReadOnlyEnvironment):
        return environment
    if isinstance(environment, Managed):
        budget = Budget(seconds=_LOCAL_SECONDS, requests=_LOCAL_REQUESTS)
        return ReadOnlyEnvironment(SmokeIdentity(environment), Guard(budget))
    raise ConfigurationError(
        "--authorise",
        expected="none for a run that only reads",
        seen="a change that is authorised",
        remedy="Leave it out.",
    )
