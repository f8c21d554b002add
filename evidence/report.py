"""The report of a run: one HTML file that needs no network."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from evidence.assessment import Assessment, CriterionResult, Standing, assess
from evidence.chart import clock, draw
from evidence.curve import Curve, amount, trace
from evidence.ledger import Hop
from evidence.marks import stretches
from evidence.model import Run, ScenarioResult, Status, write_atomically
from evidence.surroundings import Comparison, Series

REPORT_FILE = "report.html"
LATEST = "latest"
LIMIT = 0.5
"""Seconds: the line in the picture of latency, where the guide wants the p95 to stay below."""

_SECONDS_IN_A_MINUTE = 60


def new_directory(reports: Path, environment: str, now: datetime) -> Path:
    """Make the directory of a run's report, named after the time (UTC) and the environment.

    Raises:
        OSError: It cannot be made.
    """
    name = f"{now:%Y%m%dT%H%M%SZ}-{environment}"
    attempt = 1
    while True:
        directory = reports / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            attempt += 1
        else:
            return directory


def point_latest(directory: Path) -> None:
    """Let ``latest``, beside a run's report directory, lead to it."""
    temporary = directory.parent / f".{LATEST}.{secrets.token_hex(4)}"
    temporary.symlink_to(directory.name)
    temporary.replace(directory.parent / LATEST)


def write_report(run: Run, directory: Path) -> Path:
    """Write a run's report into its directory."""
    return write_atomically(directory / REPORT_FILE, render(run, assess(run)))


def template(name: str) -> jinja2.Template:
    """Return a template of this package, with the filters that all of them use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evidence"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "token": token,
        "code": code,
        "moment": moment,
        "clock": clock,
        "amount": amount,
    }
    return environment.get_template(name)


def render(run: Run, assessment: Assessment) -> str:
    """Return a run's report as HTML."""
    scenarios = assessment.scenarios
    return template("report.html.j2").render(
        run=run,
        assessment=assessment,
        anchors={scenario.key: f"scenario-{number}" for number, scenario in enumerate(scenarios, 1)},
        failed=[scenario for scenario in scenarios if scenario.status is Status.FAILED],
        sections=list(_sections(assessment.criteria)),
        seconds=run.seconds,
        charts=[
            (load, draw(load, run.observed.marks, threshold=LIMIT), stretches(load, run.observed.marks))
            for load in run.observed.loads
        ],
        limit=LIMIT,
        trends=_trends(run.comparison) if run.comparison else [],
        panels=[
            (panel, trace(panel.series, panel.unit, ends=_ends(panel.series))) for panel in run.dashboard
        ],
        Hop=Hop,
        Status=Status,
        Standing=Standing,
        caption=caption,
    )


def _trends(comparison: Comparison) -> list[tuple[str, Curve]]:
    """Return the pictures of what changes from run to run."""
    measures = (
        ("Wall time of the run", "seconds"),
        ("Latency under load, p95 of the worst second", "latency"),
        ("A new value's whole way, p95", "propagation"),
    )
    found = []
    for name, measure in measures:
        values = [getattr(each, measure) for each in comparison.runs]
        points = tuple((float(at), value) for at, value in enumerate(values) if value is not None)
        ends = (f"{len(values) - 1} before", "the last")
        curve = trace([Series(name=name, points=points)], "s", ends=ends)
        if curve is not None and len(points) > 1:
            found.append((name, curve))
    return found


def _ends(series: Sequence[Series]) -> tuple[str, str]:
    moments = [at for each in series for at, _ in each.points]
    return (moment(min(moments))[:8], moment(max(moments))[:8]) if moments else ("", "")


def duration(seconds: float) -> str:
    """Write a duration for a person."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _SECONDS_IN_A_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_IN_A_MINUTE)
    return f"{minutes} min {rest} s"


def moment(seconds: float) -> str:
    """Write a moment, in seconds since the epoch, as a time of day in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S.%f}"[:-3]


def token(text: str) -> str:
    """Write a status as a CSS class."""
    return text.replace(" ", "-")


def code(text: str) -> Markup:
    """Write a text whose parts in backticks are code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  it is escaped before


def caption(scenario: ScenarioResult) -> str:
    """Write a scenario's title with the example that it ran with: in its place, or after it."""
    title, rest = scenario.title, []
    for name, value in scenario.example.items():
        if f"<{name}>" in title:
            title = title.replace(f"<{name}>", value)
        else:
            rest.append(value)
    return f"{title} ({', '.join(dict.fromkeys(rest))})" if rest else title


def _sections(criteria: Sequence[CriterionResult]) -> Iterator[tuple[str, list[CriterionResult]]]:
    for section, results in itertools.groupby(criteria, key=lambda result: result.criterion.section):
        yield section, list(results)
