"""Thresholds as expressions: ``p95 < 500 ms``, ``failures == 0``, ``p99(auth) < 1 s``, ``rate > 100/s``.

A threshold over a request name that has no samples is breached: silence is not speed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployer.errors import ConfigurationError
from loadtests.samples import Interval, Summary, summarise

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_UNITS = {"": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "%": 1e-2, "/s": 1.0}
_UNITS_OF = {"latency": ("us", "ms", "s"), "share": ("%",), "rate": ("/s",), "count": ("",)}

_EXPRESSION = re.compile(
    r"""\s*(?P<metric>p\d{1,2}(?:\.\d+)?|mean|max|failures|failure_rate|requests|rate|missed)
        \s*(?:\(\s*(?P<name>[\w./-]+)\s*\))?
        \s*(?P<comparison><=|>=|==|!=|<|>)
        \s*(?P<value>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s|%|/s)?\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition on the figures of a load run.

    Attributes:
        expression: The text it was read from.
        metric: ``p95``, ``mean``, ``max``, ``failures``, ``failure_rate``, ``requests``,
            ``rate`` or ``missed``.
        name: Request name it is limited to; None for all requests.
        comparison: One of ``< <= > >= == !=``.
        value: Limit in seconds, requests, requests each second, or a share of 1.
    """

    expression: str
    metric: str
    name: str | None
    comparison: str
    value: float

    def holds(self, seen: float) -> bool:
        """Say whether a figure meets the condition."""
        return _COMPARISONS[self.comparison](seen, self.value)

    def show(self, seen: float | None) -> str:
        """Return a figure in the unit that people read this metric in."""
        if seen is None:
            return "no samples"
        match _dimension(self.metric):
            case "latency":
                return f"{seen * 1000:.3f} ms"
            case "share":
                return f"{seen * 100:.4f} %"
            case "rate":
                return f"{seen:.1f}/s"
        return f"{seen:.0f}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A threshold beside what was seen.

    Attributes:
        threshold: The threshold.
        seen: The figure, or None when there were no samples to take it from.
        met: Whether the threshold holds.
    """

    threshold: Threshold
    seen: float | None
    met: bool


def _dimension(metric: str) -> str:
    if metric in ("failures", "requests", "missed"):
        return "count"
    return {"failure_rate": "share", "rate": "rate"}.get(metric, "latency")


def parse(expression: str) -> Threshold:
    """Read a threshold.

    Raises:
        ConfigurationError: It is not one, or its unit does not fit its metric.
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise ConfigurationError(
            f"threshold {expression!r}",
            expected="a metric, a comparison and a limit, such as 'p95 < 500 ms' or 'failures(auth) == 0'",
            seen="something else",
            remedy="Metrics are p0 to p99.99, mean, max (with us, ms or s), failures, requests, missed, "
            "failure_rate (with %) and rate (with /s); a request name may follow in parentheses.",
        )
    metric, unit = match["metric"], match["unit"] or ""
    allowed = _UNITS_OF[_dimension(metric)]
    if unit not in allowed:
        raise ConfigurationError(
            f"threshold {expression!r}",
            expected=f"{metric} in {' or '.join(u or 'a plain number' for u in allowed)}",
            seen=f"unit {unit!r}" if unit else "no unit",
            remedy="Write the unit behind the number.",
        )
    value = float(match["value"]) * _UNITS[unit]
    return Threshold(expression.strip(), metric, match["name"], match["comparison"], value)


def _figure(metric: str, summary: Summary, seconds: float, missed: int) -> float | None:
    if metric == "missed":
        return float(missed)
    if summary.count == 0:
        return None
    figures: dict[str, Callable[[], float | None]] = {
        "failures": lambda: float(summary.failed),
        "failure_rate": lambda: summary.failed / summary.count,
        "requests": lambda: float(summary.count),
        "rate": lambda: summary.count / seconds if seconds > 0 else None,
        "mean": lambda: summary.mean,
        "max": lambda: summary.max,
    }
    if metric in figures:
        return figures[metric]()
    return summary.percentile(float(metric[1:]))


def judge(
    thresholds: Sequence[Threshold], intervals: Sequence[Interval], *, seconds: float, missed: int
) -> list[Verdict]:
    """Hold every threshold against the samples; none is left out after the first breach.

    Args:
        thresholds: What has to hold.
        intervals: The samples.
        seconds: Length of the run, for rates.
        missed: Sends that were due and never made.
    """
    summaries: dict[str | None, Summary] = {}
    verdicts = []
    for threshold in thresholds:
        name = threshold.name
        if name not in summaries:
            summaries[name] = summarise(i for i in intervals if name in (None, i.name))
        seen = _figure(threshold.metric, summaries[name], seconds, missed)
        # "missed" is known even when nothing was sent, but a run that sent nothing proves nothing.
        met = seen is not None and summaries[name].count > 0 and threshold.holds(seen)
        verdicts.append(Verdict(threshold, seen, met))
    return verdicts
