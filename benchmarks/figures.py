"""Measured values beside what is wanted."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_BLOCK = bytes(1 << 20)
_BLOCKS = 400


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured, once or several times.

    Attributes:
        name: What.
        unit: ``s``, ``ms``, ``GiB``, or what is counted.
        values: As measured.
        wanted: The most that it should be; None where nothing is promised.
    """

    name: str
    unit: str
    values: Sequence[float]
    wanted: float | None = None

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """The median, and the range where there is one."""
        spread = f" ({min(self.values):.1f} to {max(self.values):.1f})" if len(self.values) > 1 else ""
        return f"{self.median:.2f} {self.unit}{spread}"

    @property
    def verdict(self) -> str:
        """Whether it is as wanted."""
        if self.wanted is None:
            return ""
        return f"{'within' if self.median <= self.wanted else 'OVER'} {self.wanted:g} {self.unit}"

    def as_json(self) -> dict[str, Any]:
        """Return it for a results file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "values": list(self.values),
            "median": self.median,
            "wanted": self.wanted,
        }


def yardstick() -> float:
    """Return the seconds that a fixed calculation takes on one core, the fastest of three."""
    return min(_calculate() for _ in range(3))


def _calculate() -> float:
    began = time.perf_counter()
    digest = hashlib.sha3_256()
    for _ in range(_BLOCKS):
        digest.update(_BLOCK)
    digest.digest()
    return time.perf_counter() - began


def table(figures: Sequence[Figure], unit: float) -> str:
    """Set figures out in columns; times as multiples of the yardstick in the last one."""
    rows = [("what", "measured", "wanted", "x yardstick")]
    for figure in figures:
        ratio = f"{figure.median / unit:.1f}" if figure.unit == "s" else ""
        rows.append((figure.name, figure.text, figure.verdict, ratio))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
