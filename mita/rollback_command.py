"""``mita rollback``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from deployer.desired import PRODUCTION, read
from deployer.kinds.values import forget
from deployer.rollback import Rollback, Target
from environments.embedded.locations import deployment_directory
from mita.console import progress
from mita.options import attached, authorise_option, environment_options, require_changes_allowed

_DONE = {
    Target.PREVIOUS_REVISION: "The application runs as it did in the revision before.",
    Target.OPERATOR_STOPPED: "The operator is stopped; the cluster's secrets stay as they are.",
    Target.LEGACY_SECRETS: "The application works with the legacy secret.",
    Target.SECRETS_MANAGER: "The application works with Secrets Manager's values again.",
}


@click.command(
    epilog="""\b
Examples:
  mita rollback --to previous-revision    as kubectl rollout undo
  mita rollback --to operator-stopped     nothing is carried into the cluster any more
  mita rollback --to legacy-secrets       as helm upgrade --set externalSecrets.enabled=false
  mita rollback --to secrets-manager      return from any of them
  mita rollback --to legacy-secrets --environment production --config mita.toml --authorise CHG-1024

\b
Exits with 0 once it is done and the application answers.  The same command, given again
after an interruption, goes on where it was.
"""
)
@environment_options
@click.option("--to", "target", type=click.Choice([each.value for each in Target]), required=True)
@click.option("--revision", type=click.IntRange(min=1), help="Which revision, instead of the one before.")
@authorise_option
def rollback(
    *, environment: str, config: Path | None, target: str, revision: int | None, authorise: str | None
) -> None:
    """Roll back by one of the guide's procedures, or return, and verify it."""
    chosen = Target(target)
    if revision is not None and chosen is not Target.PREVIOUS_REVISION:
        raise click.UsageError(f"--revision goes with --to {Target.PREVIOUS_REVISION}")
    place = attached(environment, config, authorise=authorise)
    require_changes_allowed(place, f"mita rollback --to {target}")
    began = time.monotonic()
    with progress() as show:
        Rollback(
            place.connections(),
            read(PRODUCTION),
            state=deployment_directory(place.name),
            progress=show,
            on_secret=forget,
        ).to(chosen, revision=revision)
    click.echo(f"{_DONE[chosen]}  It took {time.monotonic() - began:.1f} s.")
