"""Options that the commands share."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deployer.errors import NotReadyError, RefusedError
from deployer.progress import silent
from environments.managed import Managed
from environments.protocol import Capability, Environment
from environments.registry import create

_DEFAULT = "embedded"

type Command = Callable[..., Any]


def environment_options(command: Command) -> Command:
    """Add ``--environment`` and ``--config``, passed on as `environment` and `config`."""
    for option in (
        click.option(
            "--config",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="What a real environment is described by.",
        ),
        click.option(
            "--environment",
            default=_DEFAULT,
            show_default=True,
            envvar="MITA_ENVIRONMENT",
            metavar="NAME",
            help="Which environment; embedded:NAME is a further one on this machine.",
        ),
    ):
        command = option(command)
    return command


def authorise_option(command: Command) -> Command:
    """Add ``--authorise``, passed on as `authorise`."""
    return click.option(
        "--authorise",
        metavar="CHANGE-ID",
        help="The change that is authorised in a real environment; it is only read without.",
    )(command)


def attached(
    environment: str, config: Path | None, *, authorise: str | None = None, planning: bool = False
) -> Environment:
    """Return an environment that runs already.

    Args:
        environment: Its name.
        config: What a real one is described by.
        authorise: Id of the change that is authorised in a real one.
        planning: Whether what is there is compared with what is desired.

    Raises:
        NotReadyError: It does not run, or not as it should.
        ConfigurationError: There is no such environment.
        RefusedError: It is not the configured place, or the change is not approved of.
    """
    created = create(environment, config, authorise=authorise, planning=planning)
    if not isinstance(created, Managed):
        created.start(silent)
        atexit.register(created.stop)
    elif not created.attach():
        raise not_running(created)
    return created


def require_changes_allowed(environment: Environment, command: str) -> None:
    """Refuse to change an environment in which no change is authorised.

    Args:
        environment: The environment.
        command: What to type once a change is authorised.

    Raises:
        RefusedError: None is.
    """
    if Capability.CHANGES_ALLOWED not in environment.capabilities:
        raise RefusedError(
            f"changes in {environment.name}",
            expected="a change that is authorised for this run, and every approval on file",
            seen="no --authorise",
            remedy=f"Have it approved, then: {command} ... --authorise CHANGE-ID",
        )


def managed(environment: str, config: Path | None) -> Managed:
    """Return an environment that is started and stopped here.

    Raises:
        ConfigurationError: There is no such environment.
        click.UsageError: It is not one that is.
    """
    created = create(environment, config)
    if not isinstance(created, Managed):
        raise click.UsageError(f"{environment} is not started or stopped by this command")
    return created


def not_running(environment: Environment) -> NotReadyError:
    """Explain that an environment does not run."""
    return NotReadyError(
        f"environment {environment.name}",
        expected="one that runs",
        seen="none",
        remedy="Start it: mita up"
        + ("" if environment.name == _DEFAULT else f" --environment {environment.name}"),
    )
