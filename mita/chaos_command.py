"""``mita chaos``: a campaign of random schedules."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from deployer.errors import RefusedError
from environments.protocol import Capability, Environment
from evidence.experiment import Status
from mita.campaign import Campaign
from mita.options import attached, authorise_option, environment_options, require_changes_allowed
from steps.campaign import Schedule, load
from steps.faults_by_name import FAULTS

_REPORTS = Path("reports")
_FAULT = click.Choice(sorted(FAULTS))


@click.command(
    epilog="""\b
Examples:
  mita chaos                               20 faults in random schedules, about two minutes
  mita chaos --faults 500 --seed 7         a campaign that can be repeated
  mita chaos --only "the operator is away" --only "the operator is killed"
  mita chaos --replay reports/chaos-.../schedule.json
  mita chaos --dry-run                     what might happen, and nothing done

\b
People are at work meanwhile, and one thing goes wrong at a time.  Exits with 3 when a
credential was lost, a fault was not healed, requests failed long after, or the application
was not ready for too long; the smallest schedule that does it is kept.  journal.json, beside
the timeline, has the form of Chaos Toolkit's.
"""
)
@environment_options
@click.option("--faults", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--longest", type=click.IntRange(min=1), default=4, show_default=True, help="In one schedule.")
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="At most.")
@click.option(
    "--abort-after",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop at once, and undo, when the application is not ready for longer.",
)
@click.option("--only", multiple=True, type=click.Choice(sorted(FAULTS)), metavar="FAULT", help="Only this.")
@click.option(
    "--without", multiple=True, type=click.Choice(sorted(FAULTS)), metavar="FAULT", help="Not this."
)
@click.option("--seed", "number", type=int, help="Seed of the schedules; printed if left out.")
@click.option("--replay", type=click.Path(path_type=Path, dir_okay=False), help="Strike this schedule only.")
@click.option("--dry-run", is_flag=True, help="Say what might happen.")
@authorise_option
def chaos(
    *,
    environment: str,
    config: Path | None,
    faults: int,
    longest: int,
    minutes: float,
    abort_after: float,
    only: tuple[str, ...],
    without: tuple[str, ...],
    number: int | None,
    replay: Path | None,
    dry_run: bool,
    authorise: str | None,
) -> None:
    """Let things go wrong at random while credentials rotate and people work."""
    replayed = load(replay) if replay else None
    kinds = [name for name in sorted(FAULTS) if name in (only or FAULTS) and name not in without]
    if not kinds:
        raise click.UsageError("no fault is left to be drawn; see --only and --without")
    if dry_run:
        _describe(replayed, faults, kinds)
        return
    place = attached(environment, config, authorise=authorise)
    require_disruptable(place)
    directory = _REPORTS / f"chaos-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    directory.mkdir(parents=True)
    campaign = Campaign(
        place, directory, faults=faults, seconds=minutes * 60, patience=abort_after, kinds=kinds
    )
    campaign.heal_leftovers()
    number = secrets.randbits(32) if number is None else number
    repeated_by = _repeated_by(replay, number, faults, longest, kinds)
    try:
        with campaign.people_at_work():
            if replayed is not None:
                campaign.replay(replayed)
            else:
                campaign.run(longest, number)
    except BaseException as error:
        status: Status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        campaign.write_journal(status, repeated_by)
        raise
    campaign.write_journal(campaign.status, repeated_by)
    campaign.tell_end()


def require_disruptable(place: Environment) -> None:
    """Refuse to break what must not be broken.

    Raises:
        RefusedError: No change is authorised, or the environment offers no disruptions.
    """
    require_changes_allowed(place, "mita chaos")
    if Capability.DISRUPTIONS not in place.capabilities:
        raise RefusedError(
            f"chaos in {place.name}",
            expected="an environment whose servers may be broken",
            seen="one that offers no disruptions",
            remedy="Use the embedded environment: mita up",
        )


def _repeated_by(
    replay: Path | None, number: int, faults: int, longest: int, kinds: Sequence[str]
) -> list[str]:
    if replay is not None:
        return ["chaos", "--replay", str(replay)]
    again = ["chaos", "--seed", str(number), "--faults", str(faults), "--longest", str(longest)]
    if len(kinds) < len(FAULTS):
        for kind in kinds:
            again += ["--only", f"'{kind}'"]
    return again


def _describe(replayed: Schedule | None, faults: int, kinds: Collection[str]) -> None:
    if replayed is not None:
        for blow in replayed:
            click.echo(f"{blow.secret} is rotated while {blow.fault}")
        return
    click.echo(f"Up to {faults} times one of three secrets is rotated while one of these holds:")
    for name in kinds:
        click.echo(f"  {name}")
