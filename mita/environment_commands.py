"""``mita up``, ``down``, ``status`` and ``env``."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import click

from environments.managed import State
from mita.console import progress
from mita.interruption import ended_in_order
from mita.options import attached, environment_options, managed

_NOT_RUNNING = 3
# They would win over the credentials file.
_OVERRIDING = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@click.command(
    epilog="""\b
Examples:
  mita up                             the environment of this machine's user
  mita up --environment embedded:two  another one beside it
  mita up --environment kind          the same system on kind and Docker

\b
The first time, programs are built or installed into the cache: about 12 minutes.
"""
)
@environment_options
def up(environment: str, config: Path | None) -> None:
    """Start an environment and leave it running."""
    place = managed(environment, config)
    began = time.monotonic()
    with ended_in_order(), progress() as show:
        if place.attach():
            click.echo(f"{place.name} runs already.")
            return
        try:
            place.start(show)
            place.detach()
        finally:
            place.stop()
    click.echo(f"{environment} is ready after {time.monotonic() - began:.1f} s.")
    click.echo('Next: mita deploy --rehearse, or eval "$(mita env)" for your own kubectl, helm and aws.')


@click.command(epilog="\b\nExample:\n  mita down")
@environment_options
def down(environment: str, config: Path | None) -> None:
    """Stop an environment and remove everything of it."""
    place = managed(environment, config)
    with progress() as show:
        found = place.remove(show)
    click.echo(f"{place.name} is gone." if found else f"{place.name} was not running.")


@click.command(
    epilog="""\b
Examples:
  mita status
  mita status --json | jq .processes

\b
Exits with 0 when it runs, 1 when one of its servers has ended, 3 when it does not run.
"""
)
@environment_options
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(environment: str, config: Path | None, *, as_json: bool) -> None:
    """Tell whether an environment runs, and how each of its servers does."""
    place = managed(environment, config)
    state = place.state()
    if state is None:
        click.echo(json.dumps({"running": False}) if as_json else f"{place.name} does not run.")
        raise click.exceptions.Exit(_NOT_RUNNING)
    if as_json:
        click.echo(json.dumps({"running": True, **state.details}, indent=2))
    else:
        _show(place.name, state)
    place.attach()  # which finds fault with what has ended


def _show(name: str, state: State) -> None:
    minutes = (time.time() - state.began) / 60
    click.echo(f"{name} runs since {minutes:.0f} min, on {state.place}")
    for part in state.parts:
        click.echo(f"  {part.name:24} {part.number:>8}  {part.state}")


@click.command(
    epilog="""\b
Examples:
  eval "$(mita env)"
  kubectl get externalsecrets -n mita-production
  aws secretsmanager list-secrets
  curl "$MITA_APP_URL/health"
"""
)
@environment_options
def env(environment: str, config: Path | None) -> None:
    """Print exports with which your own kubectl, helm, aws and curl work against an environment."""
    exports = attached(environment, config).exports()
    if "AWS_SHARED_CREDENTIALS_FILE" in exports:
        click.echo(f"unset {' '.join(_OVERRIDING)}")
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
