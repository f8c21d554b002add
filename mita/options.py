"""Options that the commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deployer.errors import NotReadyError
from environments.embedded.environment import EmbeddedEnvironment
from environments.protocol import Environment
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


def attached(environment: str, config: Path | None) -> Environment:
    """Return an environment that runs already.

    Raises:
        NotReadyError: It does not run, or not as it should.
        ConfigurationError: There is no such environment.
    """
    created = create(environment, config)
    if isinstance(created, EmbeddedEnvironment) and not created.attach():
        raise not_running(created)
    return created


def embedded(environment: str, config: Path | None) -> EmbeddedEnvironment:
    """Return an embedded environment, the only kind that is started and stopped here.

    Raises:
        ConfigurationError: There is no such environment.
        click.UsageError: It is not an embedded one.
    """
    created = create(environment, config)
    if not isinstance(created, EmbeddedEnvironment):
        raise click.UsageError(f"{environment} is not started or stopped by this command")
    return created


def not_running(environment: Environment) -> NotReadyError:
    """Explain that an environment does not run."""
    return NotReadyError(
        f"environment {environment.name}",
        expected="one that runs",
        seen="none",
        remedy="Start it: mita up",
    )
