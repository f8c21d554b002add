"""``mita month``: the monthly report."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click

from deployer.desired import PRODUCTION, read
from deployer.failures import explained
from deployer.files import replace_atomically
from evidence.monthly import gather, markdown
from mita.options import attached, environment_options

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_DECEMBER = 12


@click.command(
    epilog="""\b
Examples:
  mita month                                  this month so far
  mita month 2026-10 --output october.md
  mita month 2026-10 --environment production --config mita.toml

\b
CloudTrail tells of the last 90 days.
"""
)
@environment_options
@click.argument("month", required=False)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File; printed if left out.")
def month(*, environment: str, config: Path | None, month: str | None, output: Path | None) -> None:
    """Report a month of rotations and readers, from the audit trail and the secrets themselves."""
    since, until = span(month or f"{datetime.now(UTC):%Y-%m}")
    place = attached(environment, config)
    with explained("the monthly report"):
        text = markdown(gather(place.connections(), read(PRODUCTION), since, until))
    if output is None:
        click.echo(text, nl=False)
        return
    replace_atomically(output.absolute(), text)
    click.echo(f"Report: {output}")


def span(text: str) -> tuple[datetime, datetime]:
    """Return the beginning and the end of a month, which is now if it has not ended.

    Raises:
        click.BadParameter: It is none, or lies ahead.
    """
    found, now = _MONTH.fullmatch(text), datetime.now(UTC)
    if found is None:
        raise click.BadParameter(f"expected a month such as 2026-10, seen {text!r}", param_hint="MONTH")
    year, number = int(found[1]), int(found[2])
    since = datetime(year, number, 1, tzinfo=UTC)
    if since > now:
        raise click.BadParameter(f"expected a month that has begun, seen {text}", param_hint="MONTH")
    end = datetime(year + number // _DECEMBER, number % _DECEMBER + 1, 1, tzinfo=UTC)
    return since, min(end, now)
