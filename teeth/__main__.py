"""Plant each defect, and see that its scenario notices: ``python -m teeth``."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click

from deployer.errors import MitaError
from evidence.surroundings import Bite, Outcome, Score
from evidence.teeth import digest_of_sources, save_score
from teeth.defect import Defect
from teeth.defects import DEFECTS
from teeth.trial import copy_of, is_sound, try_out

_ROOT = Path(__file__).parent.parent
_EPILOG = """\b
Examples:
  python -m teeth --list              the catalogue
  python -m teeth                     all of it, about half an hour; the score goes into later reports
  python -m teeth --only "JWT"        those whose name has JWT in it; no score is kept

\b
Each defect is planted in a copy of the project, deployed to an embedded environment of its
own, and must make the named scenario fail at the named step.  Before that, the same scenarios
have to pass with nothing planted.
"""


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", metavar="TEXT", default="", help="Only the defects whose name has this in it.")
@click.option("--list", "listed", is_flag=True, help="Show the catalogue and end.")
@click.option(
    "--control/--no-control",
    default=True,
    show_default=True,
    help="First run the scenarios with nothing planted; no score is kept without.",
)
def main(*, only: str, listed: bool, control: bool) -> None:
    """See that planted defects make scenarios fail."""
    chosen = [defect for defect in DEFECTS if only.lower() in defect.name.lower()]
    if not chosen:
        raise click.UsageError(f"no defect has {only!r} in its name; see --list")
    if listed:
        for defect in chosen:
            click.echo(f"{defect.name}\n    {defect.scenario}\n    at: {defect.step}")
        return
    # Also where a shell has its background jobs, and all that they start, ignore Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        score = _measure(chosen, control=control)
    except MitaError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nInterrupted: no score is kept.", err=True)
        sys.exit(130)
    click.echo(f"{score.noticed} of {len(score.bites)} planted defects were noticed.")
    if control and not only:
        click.echo(f"Kept in {save_score(score, _ROOT / 'reports')}")
    sys.exit(0 if score.whole else 1)


def _measure(chosen: list[Defect], *, control: bool) -> Score:
    sources, began = digest_of_sources(_ROOT), datetime.now(UTC)
    sound, bites = True, []
    with copy_of(_ROOT) as (copy, report):
        if control:
            click.echo("With nothing planted: ", nl=False)
            fault = is_sound(copy, chosen, report)
            click.echo(fault or "all pass")
            sound = fault is None
        for number, defect in enumerate(chosen, 1):
            click.echo(f"[{number}/{len(chosen)}] {defect.name}: ", nl=False)
            bite = try_out(copy, defect, report)
            bites.append(bite)
            click.echo(_line(bite))
    return Score(measured=began, sources=sources, sound=sound, bites=tuple(bites))


def _line(bite: Bite) -> str:
    why = "" if bite.outcome is Outcome.NOTICED else f": {bite.detail}"
    return f"{bite.outcome} ({bite.seconds:.0f} s){why}"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
