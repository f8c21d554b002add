"""The course of latency as a picture: where every line, tick and label of it lies.

The template draws it as SVG with the page's own colours, so that it follows light, dark
and paper; a plotting library would bake colours and fonts into the picture.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evidence.load import LoadRun
from evidence.marks import Mark, MarkKind, during

WIDTH, HEIGHT = 960, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 948, 70, 290
"""The plot within the picture: labels of marks are above, failures and times below."""
FAILURES_AT = _BOTTOM + 9
_LABEL_ROWS = 3
_ROW_HEIGHT = 18
_CHARACTER = 6.6  # width of a character of the labels, on the safe side
_LONGEST_LABEL = 34
_TICKS = 8
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_SMALLEST, _LARGEST = 0.001, 1.0  # seconds; the axis shows at least from one to the other


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its CSS class, its name and its path."""

    token: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Label:
    """The text of a mark.

    Attributes:
        text: What it says.
        x: Where it begins, or ends.
        y: Its base line.
        anchor: Which end of the text is at ``x``.
    """

    text: str
    x: float
    y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Marker:
    """A mark on the picture; its label is None where others left no room."""

    token: str
    x: float
    label: Label | None


@dataclass(frozen=True, slots=True)
class Band:
    """The time of a fault."""

    x: float
    width: float


@dataclass(frozen=True)
class Chart:
    """The picture of one load run."""

    lines: tuple[Line, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    markers: tuple[Marker, ...]
    bands: tuple[Band, ...]
    failures: tuple[float, ...]
    threshold: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM
    failures_at: int = field(default=FAILURES_AT)

    @property
    def unlabelled(self) -> int:
        """How many marks have no label for want of room."""
        return sum(marker.label is None for marker in self.markers if marker.token != MarkKind.HEALED)


def draw(run: LoadRun, known: Sequence[Mark], *, threshold: float | None = None) -> Chart | None:
    """Lay out the picture of a load run.

    Args:
        run: The load.
        known: Every mark of the run.
        threshold: A latency in seconds to draw a line at.

    Returns:
        The picture; None when not a single request ended.
    """
    latencies = [
        value for each in run.seconds for value in (each.p50, each.p95, each.max) if value is not None
    ]
    if not latencies:
        return None
    first, last = run.seconds[0].second, run.seconds[-1].second + 1
    low = 10.0 ** math.floor(math.log10(max(1e-6, min(*latencies, _SMALLEST))))
    high = max(*latencies, threshold or 0.0, _LARGEST)

    def x(moment: float) -> float:
        return round(_LEFT + (moment - first) / (last - first) * (_RIGHT - _LEFT), 1)

    def y(latency: float) -> float:
        share = math.log(max(latency, low) / low) / math.log(high / low)
        return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)

    def path(name: str) -> str:
        points = [(each.second, getattr(each, name)) for each in run.seconds]
        parts = []
        for number, (second, value) in enumerate(points):
            if value is not None:
                before = points[number - 1] if number else (None, None)
                # Where nothing was measured no line claims that something was.
                joined = before[0] == second - 1 and before[1] is not None
                parts.append(f"{'L' if joined else 'M'}{x(second + 0.5)} {y(value)}")
                if not joined:
                    parts.append("h.1")  # a point that stands alone still shows
        return "".join(parts)

    shown = during(run, known)
    return Chart(
        lines=(
            Line("max", "max", path("max")),
            Line("p95", "p95", path("p95")),
            Line("p50", "p50", path("p50")),
        ),
        y_ticks=tuple(Tick(y(value), _milliseconds(value)) for value in _decades(low, high)),
        x_ticks=tuple(Tick(x(first + value), clock(value)) for value in _times(last - first)),
        markers=tuple(_markers(shown, x=[x(mark.at) for mark in shown])),
        bands=tuple(Band(x(start), round(x(end) - x(start), 1)) for start, end in _faults(run, known)),
        failures=tuple(x(each.second + 0.5) for each in run.seconds if each.failed),
        threshold=None if threshold is None else y(threshold),
    )


def _decades(low: float, high: float) -> Iterator[float]:
    value = low
    while value <= high * 1.001:
        yield value
        value *= 10


def _times(length: int) -> range:
    step = next((step for step in _STEPS if length / step <= _TICKS), length)
    return range(0, length + 1, step)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def clock(seconds: float) -> str:
    """Write a time since the load began, as minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _faults(run: LoadRun, known: Sequence[Mark]) -> Iterator[tuple[float, float]]:
    """Yield when a fault was there, as far as the picture reaches; overlapping ones as one."""
    first, last = run.seconds[0].second, run.seconds[-1].second + 1
    active: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    for mark in known:
        if mark.kind is MarkKind.FAULT:
            active.setdefault(mark.label, mark.at)
        elif mark.kind is MarkKind.HEALED and mark.label in active:
            spans.append((active.pop(mark.label), mark.at))
    spans += [(start, float(last)) for start in active.values()]
    reached = float(first)
    for start, end in sorted(spans):
        begin, reach = max(start, reached), min(end, last)
        if begin < reach:
            yield begin, reach
            reached = reach


def _markers(shown: Sequence[Mark], x: Sequence[float]) -> Iterator[Marker]:
    """Place labels in the rows above the plot, each where the row is free."""
    taken = [0.0] * _LABEL_ROWS
    prefix = _common_path([mark.label for mark in shown if mark.kind is MarkKind.ROTATION])
    for mark, place in zip(shown, x, strict=True):
        text = mark.label.removeprefix(prefix) if mark.kind is MarkKind.ROTATION else mark.label
        label = None if mark.kind is MarkKind.HEALED else _label(text, place, taken)
        yield Marker(mark.kind.value, place, label)


def _common_path(names: Sequence[str]) -> str:
    """Return the path that all secrets' names begin with, so that labels need not repeat it."""
    paths = [name.split("/")[:-1] for name in names]
    common = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return "".join(f"{parts[0]}/" for parts in common)


def _label(text: str, x: float, taken: list[float]) -> Label | None:
    text = text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
    width = len(text) * _CHARACTER
    anchor = "start" if x + width <= WIDTH else "end"
    begin = x if anchor == "start" else x - width
    for row, end in enumerate(taken):
        if begin >= end:
            taken[row] = begin + width + _CHARACTER
            offset = 4 if anchor == "start" else -4
            return Label(text, round(x + offset, 1), _TOP - 8 - row * _ROW_HEIGHT, anchor)
    return None
