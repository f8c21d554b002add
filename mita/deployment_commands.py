"""``mita plan`` and ``mita deploy``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from deployer.changes import Action
from deployer.deployment import Deployment
from deployer.desired import PRODUCTION, Desired, read
from deployer.plan import Plan, load
from deployer.plan_text import describe
from deployer.preflight import APPROVALS, require
from deployer.progress import Progress, silent
from deployer.supplied import Supplied, gather, rehearsed
from environments.embedded.locations import deployment_directory
from environments.managed import Managed
from environments.protocol import Environment
from mita.console import progress
from mita.options import attached, authorise_option, environment_options, require_changes_allowed
from steps.deploying import last_phase

NO_CHANGE = 0
ERROR = 1
CHANGES = 2
_COLOURS = MappingProxyType(
    {Action.CREATE: "green", Action.UPDATE: "yellow", Action.REPLACE: "red", Action.DESTROY: "red"}
)
_FILE = click.Path(dir_okay=False, path_type=Path)

type Command = Callable[..., Any]


class _PlanCommand(click.Command):
    """Ends with 1 on a usage error: 2 is the code of a plan with changes."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:  # noqa: ANN401  click's own
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(ERROR) from error


def _what_to_plan(command: Command) -> Command:
    for option in (
        click.option(
            "--allow-destroy",
            multiple=True,
            metavar="KIND/NAME",
            help="Allow this object to be destroyed or replaced; can be repeated.",
        ),
        click.option(
            "--replace-secret",
            multiple=True,
            metavar="SECRET",
            help="Replace this secret's live value; can be repeated.",
        ),
        click.option(
            "--desired",
            type=_FILE,
            default=PRODUCTION,
            metavar="FILE",
            help="Another desired state than production.toml.",
        ),
        click.option(
            "--through",
            metavar="PHASE",
            help="Number or name of the last phase; all, or all that a local one can show.",
        ),
    ):
        command = option(command)
    return command


@click.command(
    cls=_PlanCommand,
    epilog="""\b
Examples:
  mita plan
  mita plan --through 1
  mita plan --through external-secrets-operator --json | jq '.changes[] | select(.action != "none")'
  mita plan --out change.plan && mita deploy --plan change.plan

\b
Exits with 0 for no change, 2 for changes, 1 for an error or a plan that would be refused.
""",
)
@environment_options
@_what_to_plan
@click.option("--out", type=_FILE, metavar="FILE", help="Write the plan to a file, for `mita deploy --plan`.")
@click.option("--json", "as_json", is_flag=True, help="For machines, with every property.")
@click.pass_context
def plan(
    context: click.Context,
    *,
    environment: str,
    config: Path | None,
    through: str | None,
    desired: Path,
    replace_secret: tuple[str, ...],
    allow_destroy: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Say what a deployment would change, object by object, and change nothing."""
    state = _desired(desired, through, replace_secret)
    place = attached(environment, config, planning=True)
    through = _last(place, through)
    deployment = _deployment(place, state)
    # What a plan says is what approvals are given for.
    require(result for result in deployment.preflight(through) if result.check != APPROVALS)
    made = deployment.plan(through, replace=replace_secret, allow_destroy=allow_destroy)
    if as_json:
        click.echo(made.to_json(), nl=False)
    else:
        _show(made, state)
    made.require_allowed()
    if out is not None:
        made.save(out)
    context.exit(CHANGES if made.pending else NO_CHANGE)


@click.command(
    epilog="""\b
Examples:
  mita deploy --rehearse                          in the embedded environment
  mita deploy --secrets-file issued.toml
  vault-export | mita deploy --secrets-file - --yes
  mita deploy --through 2
  mita deploy --replace-secret auth/jwt-secret

\b
The secrets file has one entry a secret, and only its owner may read it:
  "external/openai-api-key" = "..."
  "monitoring/sentry-dsn" = "..."
  ["notifications/smtp-credentials"]
  username = "..."
  password = "..."
The same values can come in MITA_OPENAI_API_KEY, MITA_SENTRY_DSN, MITA_SMTP_USERNAME and
MITA_SMTP_PASSWORD.  A deployment that was interrupted goes on when it is started again.
""",
)
@environment_options
@_what_to_plan
@click.option("--plan", "planned", type=_FILE, metavar="FILE", help="Apply what `mita plan --out` wrote.")
@click.option("--secrets-file", metavar="FILE", help="Externally issued values; - for standard input.")
@click.option(
    "--rehearse",
    is_flag=True,
    help="Invent the externally issued values; refused in a real account.",
)
@click.option("--yes", is_flag=True, help="Do not ask before changes, as on a terminal.")
@authorise_option
def deploy(
    *,
    environment: str,
    config: Path | None,
    through: str | None,
    desired: Path,
    replace_secret: tuple[str, ...],
    allow_destroy: tuple[str, ...],
    planned: Path | None,
    secrets_file: str | None,
    rehearse: bool,
    yes: bool,
    authorise: str | None,
) -> None:
    """Check, plan, apply and verify.

    Nothing that exists is destroyed or replaced unless it is named; a second deployment changes nothing.
    """
    if planned is not None and (through or replace_secret or allow_destroy):
        raise click.UsageError(
            "--plan says itself what to do: leave out --through, --replace-secret and --allow-destroy"
        )
    began = time.monotonic()
    state = _desired(desired, through, replace_secret)
    made = load(planned) if planned else None
    supplied = gather(state, file=secrets_file, environment=os.environ)
    place = attached(environment, config, authorise=authorise)
    require_changes_allowed(place, "mita deploy")
    last = made.through if made else _last(place, through)
    if rehearse:
        supplied = {**rehearsed(state, account=place.connections().account), **supplied}
    deployment = _deployment(place, state, supplied)
    require(deployment.preflight(last))
    made = made or deployment.plan(last, replace=replace_secret, allow_destroy=allow_destroy)
    _show(made, state)
    made.require_allowed()
    if made.pending and not yes and sys.stdin.isatty() and sys.stdout.isatty():
        click.confirm("Apply this?", abort=True)
    with progress() as show:
        if made.pending:
            _deployment(place, state, supplied, show).apply(made)
        # Connected anew: the application's address is known only once its service is there.
        _deployment(place, state, supplied, show).verify(made.through)
    done = f"changes made: {len(made.pending)}" if made.pending else "nothing to change"
    click.echo(
        f"Phases through {made.through}: {done}, all {len(made.changes)} objects verified,"
        f" in {time.monotonic() - began:.1f} s."
    )
    if made.pending:
        click.echo(f"Receipts: {deployment.receipts.file}")


def _deployment(
    place: Environment, desired: Desired, supplied: Supplied | None = None, show: Progress = silent
) -> Deployment:
    receipts = deployment_directory(place.name)
    return Deployment(place.connections(), desired, receipts=receipts, supplied=supplied, progress=show)


def _last(place: Environment, asked: str | None) -> str | None:
    """Return the last phase that is meant: on this machine the last one that has something to go to."""
    return last_phase(place) if asked is None and isinstance(place, Managed) else asked


def _desired(file: Path, through: str | None, replace_secret: Collection[str]) -> Desired:
    """Read the desired state, and check against it what was asked for: faults before any connection."""
    desired = read(file)
    desired.phase(through)
    for name in replace_secret:
        desired.secret(name)
    return desired


def _show(made: Plan, desired: Desired) -> None:
    for line in describe(made, desired):
        colour = _COLOURS.get(line.action) if line.action else None
        click.secho(line.text, fg=colour)
