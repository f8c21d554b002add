"""Latency samples of a load run: one HDR histogram for each second and request name.

Locust's own statistics round response times (495 to 505 ms all read 500) and cannot be
cut at a moment chosen afterwards.  Histograms of three significant digits over raw
samples can be merged: over seconds, over request names and over worker processes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from hdrh.histogram import HdrHistogram

LONGEST = 600.0
"""Seconds; a longer latency is recorded as this one."""

_MICROSECONDS = 1_000_000


def _empty() -> HdrHistogram:
    return HdrHistogram(1, int(LONGEST * _MICROSECONDS), 3)


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """What one process saw of one request name within one second.

    Attributes:
        second: Whole seconds since the epoch.
        name: Request name, for example ``health``.
        count: Requests that ended in this second, failed ones included.
        failures: Reasons and how often each was met.
        histogram: Encoded HDR histogram of all latencies, in microseconds.
    """

    second: int
    name: str
    count: int
    failures: dict[str, int]
    histogram: str


class Recorder:
    """Collects samples in the process that sends them and hands them over second by second."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], tuple[HdrHistogram, Counter[str]]] = {}

    def record(self, ended: float, name: str, latency: float, failure: str | None = None) -> None:
        """Take one sample.

        Args:
            ended: When the request ended, seconds since the epoch.
            name: Request name.
            latency: Seconds from when the request was due until it ended.
            failure: Why it counts as failed, or None.
        """
        key = (int(ended), name)
        entry = self._open.get(key)
        if entry is None:
            entry = self._open[key] = (_empty(), Counter())
        histogram, failures = entry
        histogram.record_value(max(1, int(min(latency, LONGEST) * _MICROSECONDS)))
        if failure is not None:
            failures[failure] += 1

    def drain(self, before: float = float("inf")) -> list[Interval]:
        """Hand over, and forget, the intervals that ended before a moment (seconds since the epoch)."""
        closed = sorted(key for key in self._open if key[0] + 1 <= before)
        intervals = []
        for key in closed:
            histogram, failures = self._open.pop(key)
            encoded = histogram.encode().decode("ascii")
            intervals.append(Interval(*key, histogram.get_total_count(), dict(failures), encoded))
        return intervals


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """Figures over any set of intervals; latencies in seconds, None without samples."""

    count: int
    failures: dict[str, int]
    percentile: Callable[[float], float | None] = dataclasses.field(compare=False, repr=False)
    mean: float | None
    max: float | None

    @property
    def failed(self) -> int:
        """How many requests failed, for whatever reason."""
        return sum(self.failures.values())


def summarise(intervals: Iterable[Interval]) -> Summary:
    """Merge intervals into one set of figures."""
    merged = _empty()
    failures: Counter[str] = Counter()
    for interval in intervals:
        merged.decode_and_add(interval.histogram)
        failures.update(interval.failures)
    count = merged.get_total_count()

    def percentile(rank: float) -> float | None:
        return merged.get_value_at_percentile(rank) / _MICROSECONDS if count else None

    return Summary(
        count=count,
        failures=dict(failures),
        percentile=percentile,
        mean=merged.get_mean_value() / _MICROSECONDS if count else None,
        max=merged.get_max_value() / _MICROSECONDS if count else None,
    )


def within(intervals: Iterable[Interval], since: float, until: float) -> Iterator[Interval]:
    """Yield the intervals that lie wholly between two moments, in seconds since the epoch.

    A second that holds samples of both sides of a moment belongs to neither, so that the
    figures of a baseline are never mixed with those of a rotation.
    """
    return (i for i in intervals if i.second >= since and i.second + 1 <= until)


def by_second(intervals: Iterable[Interval]) -> dict[int, list[Interval]]:
    """Group intervals by their second, in order of time."""
    grouped: dict[int, list[Interval]] = {}
    for interval in sorted(intervals, key=lambda i: (i.second, i.name)):
        grouped.setdefault(interval.second, []).append(interval)
    return grouped
