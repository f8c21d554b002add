"""Small pictures of numbers over time: where their lines and ticks lie, for the template to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evidence.chart import Line, Tick
from evidence.surroundings import Series

WIDTH, HEIGHT = 440, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 430, 10, 146
_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 3
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_WHOLE = 100  # from here on fractions tell nobody anything
_MIB, _GIB = 2**20, 2**30


@dataclass(frozen=True)
class Curve:
    """The picture of some series.

    Attributes:
        lines: Their paths; at most six are told apart.
        y_ticks: Values.
        x_ticks: The first moment and the last.
    """

    lines: tuple[Line, ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


def trace(series: Sequence[Series], unit: str, *, ends: tuple[str, str]) -> Curve | None:
    """Lay out the picture of some series.

    Args:
        series: The lines, of finite numbers.
        unit: Grafana's name of their unit.
        ends: What stands below the first moment and the last.

    Returns:
        The picture; None when there is not a single number.
    """
    points = [point for each in series for point in each.points]
    if not points:
        return None
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    low, high, step = _scale([value for _, value in points], unit)

    def x(at: float) -> float:
        share = (at - first) / (last - first) if last > first else 0.5
        return round(_LEFT + share * (_RIGHT - _LEFT), 1)

    def y(value: float) -> float:
        return round(_BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP), 1)

    def path(each: Series) -> str:
        places = [f"{x(at)} {y(value)}" for at, value in each.points]
        # One that stands alone still shows.
        return f"M{'L'.join(places)}h.1" if places else ""

    count = round((high - low) / step)
    return Curve(
        lines=tuple(Line(f"line-{number % 6}", each.name, path(each)) for number, each in enumerate(series)),
        y_ticks=tuple(
            Tick(y(low + step * number), amount(low + step * number, unit)) for number in range(count + 1)
        ),
        x_ticks=(Tick(_LEFT, ends[0]), Tick(_RIGHT, ends[1])),
    )


def _scale(values: Sequence[float], unit: str) -> tuple[float, float, float]:
    """Return the ends of an axis and its step, all round numbers in what the unit is written in."""
    low, high = min(0.0, *values), max(values)
    if high <= low:
        high = low + 1
    rough = (high - low) / _TICKS
    size = next((each for each in (_DAY, _HOUR, _MINUTE) if unit == "s" and high >= each), 1)
    magnitude = size * 10.0 ** math.floor(math.log10(rough / size))
    step = next(magnitude * each for each in _STEPS if magnitude * each >= rough * (1 - 1e-9))
    return math.floor(low / step) * step, math.ceil(high / step - 1e-9) * step, step


def amount(value: float, unit: str) -> str:
    """Write a number of one of Grafana's units for a person."""
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bool_yes_no":
            return "yes" if value else "no"
        case "s":
            return _time(value)
        case "bytes":
            return f"{value / _GIB:.3g} GiB" if value >= _GIB else f"{value / _MIB:.3g} MiB"
        case "ops" | "reqps":
            return f"{value:,.0f}/s" if abs(value) >= _WHOLE else f"{value:.3g}/s"
        case _:
            return f"{value:.6g}"


def _time(seconds: float) -> str:
    size = abs(seconds)
    if size >= _DAY:
        days = seconds / _DAY
        return f"{days:,.0f} d" if size >= _WHOLE * _DAY else f"{days:.3g} d"
    if size >= _HOUR:
        return f"{seconds / _HOUR:.3g} h"
    if size >= _MINUTE:
        return f"{seconds / _MINUTE:.3g} min"
    return f"{seconds * 1000:.3g} ms" if 0 < size < 1 else f"{seconds:.3g} s"
