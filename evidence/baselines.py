"""Alert thresholds beside what was measured while nothing was wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

MARGIN = 1.5
"""By which a threshold has to lie above what is usual; nearer, it tells of nothing being wrong."""

_PROPOSED = 2.0
_LOOSE = 20.0

type Ask = Callable[[str], float | None]
"""Evaluates an expression of Prometheus' to one number; None where there is no data."""


class Judgement(StrEnum):
    """How a threshold stands to its baseline."""

    FITS = "fits"
    TOO_LOW = "too low: it would tell of nothing being wrong"
    LOOSE = "loose: it would tell late"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold of an alert, and the expression of its baseline.

    Attributes:
        setting: Its name among the desired state's `manifest_values`.
        what: What it bounds, in seconds.
        baseline: Expression, with ``RANGE`` for the stretch of time that is looked at.
    """

    setting: str
    what: str
    baseline: str


THRESHOLDS = (
    Threshold(
        "STALE_SECONDS",
        "age of the oldest synchronisation",
        "quantile_over_time(0.95, max(mita:external_secret_sync_age:seconds)[RANGE:5s])",
    ),
    Threshold(
        "PENDING_SECONDS",
        "how long a version was pending",
        "max_over_time((max(mita:secret_rotation_pending:seconds) or vector(0))[RANGE:5s])",
    ),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A threshold beside its baseline, in seconds.

    Attributes:
        threshold: Which.
        value: As it is set.
        measured: What is usual; None where there is no data.
    """

    threshold: Threshold
    value: float
    measured: float | None

    @property
    def judgement(self) -> Judgement:
        """How they stand to each other."""
        if self.measured is None or math.isnan(self.measured):
            return Judgement.UNMEASURED
        if self.value < MARGIN * self.measured:
            return Judgement.TOO_LOW
        return Judgement.LOOSE if self.value > _LOOSE * max(self.measured, 1.0) else Judgement.FITS

    @property
    def proposed(self) -> float | None:
        """What would fit; None where it fits, or nothing is known."""
        if self.measured is None or self.judgement in (Judgement.FITS, Judgement.UNMEASURED):
            return None
        return float(math.ceil(_PROPOSED * max(self.measured, 1.0)))


def compare(values: Mapping[str, str], ask: Ask, stretch: str) -> tuple[Comparison, ...]:
    """Set every threshold beside its baseline.

    Args:
        values: The thresholds as they are deployed.
        ask: Asks Prometheus.
        stretch: How far back the baseline goes, as Prometheus has it, such as ``30d``.
    """
    return tuple(
        Comparison(each, float(values[each.setting]), ask(each.baseline.replace("RANGE", stretch)))
        for each in THRESHOLDS
    )
