"""Measure what people wait for: ``python -m benchmarks``."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.figures import Figure, table, yardstick
from benchmarks.subjects import NOT_BY_DEFAULT, SUBJECTS, Bench

_RESULTS = Path(__file__).parent.parent / "reports" / "benchmarks"

_EPILOG = """\b
Examples:
  python -m benchmarks                 everything but the two below, about 15 minutes
  python -m benchmarks warm-up         only this
  python -m benchmarks cold-toolchain  builds everything anew in a cache of its own, about 12 minutes
  MITA_K6=~/go/bin/k6 python -m benchmarks load-generator   beside k6, about 3 minutes

\b
Figures are of this machine as it is: leave it alone meanwhile.  The last column is the
time as a multiple of a fixed calculation on one core, to compare machines.
"""


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("subjects", nargs=-1, type=click.Choice(list(SUBJECTS)), metavar="[SUBJECT]...")
@click.option("--rounds", default=3, show_default=True, help="How often a quick subject is measured.")
def main(subjects: tuple[str, ...], rounds: int) -> None:
    """Measure times and memory, and set them beside what is wanted."""
    chosen = subjects or tuple(name for name in SUBJECTS if name not in NOT_BY_DEFAULT)
    unit = yardstick()
    figures: list[Figure] = []
    with _state() as state:
        bench = Bench(state, rounds)
        for name in chosen:
            subject: Callable[[Bench], Iterator[Figure]] = SUBJECTS[name]
            for figure in subject(bench):
                figures.append(figure)
                click.echo(f"{figure.name}: {figure.text}", err=True)
    click.echo(table(figures, unit))
    _RESULTS.mkdir(parents=True, exist_ok=True)
    path = _RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    machine = {"machine": platform.machine(), "python": platform.python_version(), "yardstick_seconds": unit}
    path.write_text(json.dumps({**machine, "figures": [figure.as_json() for figure in figures]}, indent=1))
    click.echo(f"Kept in {path}")


@contextmanager
def _state() -> Iterator[Path]:
    # PostgreSQL's account has to reach it when we are root.
    with tempfile.TemporaryDirectory(prefix="mita-bench-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
