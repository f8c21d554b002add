"""Load as it was offered: read from the results of load runs, second by second.

A load run leaves ``intervals.jsonl``, with one encoded HDR histogram of latencies in
microseconds for each second and request name, and at its end ``summary.json``.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from hdrh.histogram import HdrHistogram
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployer.errors import ConfigurationError
from evidence.events import Entry, LoadInterval, RequestFailed
from evidence.findings import events

INTERVALS_FILE = "intervals.jsonl"
SUMMARY_FILE = "summary.json"

_MICROSECONDS = 1_000_000
_LONGEST = 600 * _MICROSECONDS


class _Interval(BaseModel):
    second: int
    name: str
    count: int
    failures: dict[str, int]
    histogram: str


class Threshold(BaseModel):
    """A threshold of a load run and what was seen.

    Attributes:
        expression: As it was given.
        seen: The figure, written for a person.
        met: Whether it holds.
    """

    model_config = ConfigDict(frozen=True)

    expression: str
    seen: str
    met: bool


class LoadSummary(BaseModel):
    """What a load run says of itself.

    Attributes:
        profile: The shape of the load.
        purpose: What it was for.
        late: Sends that were made later than due.
        missed: Sends that were due and never made.
        thresholds: What was demanded of it.
    """

    model_config = ConfigDict(frozen=True)

    profile: str = ""
    purpose: str = ""
    late: int = 0
    missed: int = 0
    thresholds: tuple[Threshold, ...] = ()


class LoadSecond(BaseModel):
    """One second of load; latencies in seconds, None without requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    second: int
    count: int = Field(ge=0)
    failed: int = Field(ge=0)
    p50: float | None = None
    p95: float | None = None
    max: float | None = None


class LoadRun(BaseModel):
    """A load run.

    Attributes:
        name: Its directory, relative to the report's.
        summary: What it said at its end; None when it came to none.
        seconds: In order of time; a second without requests may lack.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: LoadSummary | None = None
    seconds: tuple[LoadSecond, ...]

    @property
    def title(self) -> str:
        """What it was for, or its name where it did not say."""
        return (self.summary and self.summary.purpose) or self.name

    @property
    def count(self) -> int:
        """How many requests ended."""
        return sum(second.count for second in self.seconds)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(second.failed for second in self.seconds)


def read_loads(directory: Path) -> list[Entry]:
    """Return the load runs below a directory as entries: each second at its beginning, and failed requests.

    Raises:
        ConfigurationError: A file is not what a load run leaves.
    """
    return [
        entry
        for file in sorted(directory.rglob(INTERVALS_FILE))
        for entry in _entries(file, file.parent.relative_to(directory).as_posix())
    ]


def load_runs(history: Iterable[Entry], directory: Path) -> tuple[LoadRun, ...]:
    """Return each load run in a history, with the summary that lies below a directory.

    Raises:
        ConfigurationError: A summary is not what a load run leaves.
    """
    by_load: dict[str, list[LoadSecond]] = {}
    for entry, interval in events(history, LoadInterval):
        figures = interval.model_dump(exclude={"kind", "load"})
        by_load.setdefault(interval.load, []).append(LoadSecond(second=int(entry.at), **figures))
    return tuple(
        LoadRun(name=name, summary=_summary(directory / name / SUMMARY_FILE), seconds=tuple(seconds))
        for name, seconds in by_load.items()
    )


def _entries(file: Path, load: str) -> Iterator[Entry]:
    for second, group in itertools.groupby(_intervals(file), key=lambda interval: interval.second):
        latencies = HdrHistogram(1, _LONGEST, 3)
        failures: Counter[tuple[str, str]] = Counter()
        for interval in group:
            latencies.decode_and_add(interval.histogram)
            failures.update({(interval.name, reason): count for reason, count in interval.failures.items()})
        count = latencies.get_total_count()
        p50, p95, longest = (
            latencies.get_value_at_percentile(rank) / _MICROSECONDS if count else None
            for rank in (50.0, 95.0, 100.0)
        )
        failed = failures.total()
        yield Entry(
            at=second,
            event=LoadInterval(load=load, count=count, failed=failed, p50=p50, p95=p95, max=longest),
        )
        for (request, reason), times in failures.items():
            yield Entry(
                at=second, event=RequestFailed(load=load, request=request, reason=reason, count=times)
            )


def _intervals(file: Path) -> list[_Interval]:
    """Return what several processes wrote, in order of time; a last line still being written is left out."""
    complete = file.read_text(encoding="utf-8").rpartition("\n")[0]
    try:
        intervals = [_Interval.model_validate_json(line) for line in complete.splitlines()]
    except ValidationError as error:
        raise _unreadable(file, error) from None
    return sorted(intervals, key=lambda interval: interval.second)


def _summary(file: Path) -> LoadSummary | None:
    if not file.exists():
        return None
    try:
        return LoadSummary.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: ValidationError) -> ConfigurationError:
    return ConfigurationError(
        str(file),
        expected="what a load run leaves",
        seen=error.errors(include_input=False, include_url=False)[0]["msg"],
        remedy="Repeat the load run.",
    )
