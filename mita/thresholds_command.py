"""``mita thresholds``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import urllib3
from rich.console import Console
from rich.table import Table

from deployer.desired import PRODUCTION, read
from deployer.errors import NotReadyError
from deployer.failures import explained
from deployer.handwork import manifest_values
from evidence.baselines import Judgement, compare
from mita.options import attached, environment_options

_TIMEOUT = 30.0
_OK = 200
_TOO_LOW = 3


@click.command(
    epilog="""\b
Examples:
  mita thresholds --over 7d --environment production --config mita.toml
  mita thresholds --over 10m

\b
Proposes values, and changes nothing: they are set among manifest_values of production.toml.
Exits with 3 where a threshold is too low.
"""
)
@environment_options
@click.option("--over", default="30d", show_default=True, help="How far back the baseline goes.")
def thresholds(*, environment: str, config: Path | None, over: str) -> None:
    """Set the alerts' thresholds beside what is usual."""
    place = attached(environment, config)
    connections = place.connections()
    base = connections.endpoints.prometheus
    if base is None:
        raise NotReadyError(
            f"Prometheus of {place.name}",
            expected="its address",
            seen="none",
            remedy="Name it among [endpoints] of the configuration.",
        )
    values = manifest_values(read(PRODUCTION), connections)
    with explained("Prometheus"):
        compared = compare(values, lambda expression: evaluate(base, expression), over)
    table = Table("threshold", "bounds", "set to", "usual", "judgement", "proposed", box=None, pad_edge=False)
    for each in compared:
        measured = "none" if each.measured is None else f"{each.measured:.1f} s"
        proposed = "" if each.proposed is None else f"{each.proposed:.0f} s"
        table.add_row(
            each.threshold.setting,
            each.threshold.what,
            f"{each.value:.0f} s",
            measured,
            each.judgement,
            proposed,
        )
    Console(soft_wrap=True).print(table)
    if any(each.judgement is Judgement.TOO_LOW for each in compared):
        sys.exit(_TOO_LOW)


def evaluate(base: str, expression: str) -> float | None:
    """Ask Prometheus for one number; None where it has no data.

    Raises:
        NotReadyError: It refuses the expression.
    """
    answer = urllib3.request(
        "GET", f"{base}/api/v1/query", fields={"query": expression}, timeout=_TIMEOUT, retries=False
    )
    if answer.status != _OK:
        raise NotReadyError(
            f"Prometheus at {base}",
            expected=f"a value of {expression}",
            seen=f"HTTP {answer.status}: {answer.data[:200]!r}",
            remedy="Give --over a duration such as 30d or 10m.",
        )
    found = answer.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else None
