"""``mita rotate``."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from deployer.desired import PRODUCTION, read
from deployer.kinds.values import forget
from deployer.rotation.record import Rotated
from deployer.rotation.rotator import Rotator
from deployer.supplied import gather
from environments.embedded.locations import deployment_directory
from environments.managed import Managed
from mita.console import progress
from mita.options import attached, authorise_option, environment_options, require_changes_allowed

# AWS advises against new versions more often: it forgets none that is younger than a day, and keeps 100.
_INTERVAL = timedelta(minutes=10)


@click.command(
    epilog="""\b
Examples:
  mita rotate database/primary
  mita rotate auth/jwt-secret --no-nudge     as a scheduled rotation would get there
  mita rotate monitoring/sentry-dsn --secrets-file new.toml
  mita rotate database/primary --resume      finish what an earlier rotation left pending
  mita rotate database/primary --abandon     give it up; the current value goes on
  mita rotate database/primary --environment production --config mita.toml --authorise CHG-1024

\b
Exits with 0 once the new value is proven: by its labels, by a login with it and with the
value before, in the cluster's copies, and in every pod of the application.
"""
)
@environment_options
@click.argument("secret")
@click.option("--resume", is_flag=True, help="Take up the version that is pending.")
@click.option("--abandon", is_flag=True, help="Give the pending version up.")
@click.option("--no-nudge", is_flag=True, help="Leave the operator to its own interval.")
@click.option(
    "--secrets-file", metavar="FILE", help="The new value that others issued; - for standard input."
)
@click.option("--timeout", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds.")
@authorise_option
def rotate(
    *,
    environment: str,
    config: Path | None,
    secret: str,
    resume: bool,
    abandon: bool,
    no_nudge: bool,
    secrets_file: str | None,
    timeout: float,
    authorise: str | None,
) -> None:
    """Rotate a secret now, and follow it until every pod uses the new value."""
    if resume and abandon:
        raise click.UsageError("--resume and --abandon exclude each other")
    desired = read(PRODUCTION)
    desired.secret(secret)
    supplied = gather(desired, file=secrets_file, environment=os.environ)
    place = attached(environment, config, authorise=authorise)
    require_changes_allowed(place, f"mita rotate {secret}")
    with progress() as show:
        rotator = Rotator(
            place.connections(),
            desired,
            secret,
            locks=deployment_directory(place.name),
            progress=show,
            on_secret=forget,
            interval=timedelta() if isinstance(place, Managed) else _INTERVAL,
            deadline=timeout,
        )
        try:
            done = None if abandon else rotator.rotate(resume=resume, nudge=not no_nudge, supplied=supplied)
        except KeyboardInterrupt:
            click.echo(
                f"interrupted: the rotation goes on in AWS; look with `mita rotate {secret} --resume`",
                err=True,
            )
            raise
    if done is None:
        given_up = rotator.abandon()
        click.echo(f"Version {given_up} is given up." if given_up else "Nothing was pending.")
    else:
        _show(done)


def _show(done: Rotated) -> None:
    table = Table("hop", "after", box=None, pad_edge=False)
    for hop in done.hops:
        table.add_row(hop.name, f"{hop.seconds:.2f} s")
    Console(soft_wrap=True).print(table)
    click.echo(
        f"{done.secret} is rotated: every pod used the new value "
        f"{done.propagation:.2f} s after it became current."
    )
