"""The result of a load run: a file of intervals written as it goes, and a summary at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from loadtests.samples import Interval, Summary, summarise
from loadtests.thresholds import Verdict

_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


INTERVALS_FILE = "intervals.jsonl"
SUMMARY_FILE = "summary.json"


class IntervalFile:
    """JSON lines of intervals, written as each second closes so that others can follow the run."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="utf-8")

    def append(self, intervals: Iterable[Interval]) -> None:
        """Write intervals and make them visible to readers."""
        for interval in intervals:
            self._file.write(json.dumps(asdict(interval), separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_intervals(path: Path) -> list[Interval]:
    """Read the intervals that a run has written so far; a last line still being written is left out."""
    complete = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [Interval(**json.loads(line)) for line in complete.splitlines()]


def figures(summary: Summary) -> dict[str, Any]:
    """Return a summary as plain data; latencies in milliseconds, None where nothing was sampled."""

    def milliseconds(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds * 1000, 3)

    return {
        "requests": summary.count,
        "failed": summary.failed,
        "failures": summary.failures,
        "latency_ms": {
            "mean": milliseconds(summary.mean),
            "max": milliseconds(summary.max),
            **{f"p{rank:g}": milliseconds(summary.percentile(rank)) for rank in _PERCENTILES},
        },
    }


def summary_of(
    intervals: Sequence[Interval],
    verdicts: Sequence[Verdict],
    *,
    profile: str,
    purpose: str,
    seconds: float,
    late: int,
    missed: int,
) -> dict[str, Any]:
    """Return the whole run as plain data for ``summary.json``.

    Args:
        intervals: All samples.
        verdicts: Thresholds and what was seen.
        profile: Name of the profile.
        purpose: What the run is for.
        seconds: Length of the run.
        late: Sends that were made more than the tolerance after they were due.
        missed: Sends that were due and never made.
    """
    names = sorted({interval.name for interval in intervals})
    return {
        "profile": profile,
        "purpose": purpose,
        "seconds": round(seconds, 3),
        "late": late,
        "missed": missed,
        "total": figures(summarise(intervals)),
        "requests": {name: figures(summarise(i for i in intervals if i.name == name)) for name in names},
        "thresholds": [
            {"expression": v.threshold.expression, "seen": v.threshold.show(v.seen), "met": v.met}
            for v in verdicts
        ],
        "passed": bool(verdicts) and all(v.met for v in verdicts),
    }


def describe(summary: dict[str, Any]) -> str:
    """Return the summary as lines for a terminal: figures for each request, then every threshold."""
    lines = []
    for name, part in [*summary["requests"].items(), ("all", summary["total"])]:
        latency = part["latency_ms"]
        lines.append(
            f"{name}: {part['requests']} requests, {part['failed']} failed, "
            f"p50 {latency['p50']} ms, p95 {latency['p95']} ms, max {latency['max']} ms"
        )
        lines += [f"  {count} x {reason}" for reason, count in sorted(part["failures"].items())]
    if summary["late"] or summary["missed"]:
        lines.append(f"{summary['late']} sends were late, {summary['missed']} were never made")
    for threshold in summary["thresholds"]:
        mark = "met     " if threshold["met"] else "BREACHED"
        lines.append(f"{mark}  {threshold['expression']}  (seen: {threshold['seen']})")
    return "\n".join(lines) + "\n"
