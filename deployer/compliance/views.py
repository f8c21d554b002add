"""A report for readers: Markdown and HTML, from the same data as its JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

from deployer.compliance.report import Outcome, Report, Result

_ORDER = (Outcome.FAILED, Outcome.NOT_CHECKED, Outcome.WAIVED, Outcome.NOT_APPLICABLE, Outcome.PASSED)
_SIGNS = str.maketrans({sign: f"\\{sign}" for sign in r"\`*_[]<>|#"})


def to_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    environment = Environment(
        loader=PackageLoader("deployer.compliance", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  it makes Markdown; the filter below escapes for that
    )
    environment.filters["plain"] = _plain
    return environment.get_template("report.md.j2").render(report=report, ordered=_ordered(report))


def to_html(report: Report) -> str:
    """Return a report as one HTML page that needs nothing else."""
    environment = Environment(
        loader=PackageLoader("deployer.compliance", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    return environment.get_template("report.html.j2").render(report=report, ordered=_ordered(report))


def _plain(text: object) -> str:
    return " ".join(str(text).split()).translate(_SIGNS)


def _ordered(report: Report) -> list[Result]:
    """Return what needs somebody first."""
    return [result for outcome in _ORDER for result in report.of(outcome)]


FORMATS: Mapping[str, Callable[[Report], str]] = MappingProxyType(
    {"json": Report.to_json, "markdown": to_markdown, "html": to_html}
)
"""How a report is written, by the name that ``--format`` takes."""
