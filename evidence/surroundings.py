"""What stands beside a run's own results: earlier runs, the dashboard, the planted defects."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# ---- earlier runs


class RunFigures(_Record):
    """A run in few figures.

    Attributes:
        started: When it began.
        verdict: What came of it.
        passed: Scenarios that passed.
        failed: Scenarios that failed.
        other: All others.
        seconds: How long it took; None when it never ended.
        latency: Seconds; the p95 of the worst second under load; None without load.
        propagation: Seconds; the p95 of new values on their whole way, where the least is promised.
    """

    started: datetime
    verdict: str
    passed: int
    failed: int
    other: int
    seconds: float | None = None
    latency: float | None = None
    propagation: float | None = None


class Unsteady(_Record):
    """A scenario whose result changed to and fro.

    Attributes:
        scenario: Its title, with the example.
        results: The last ones, the oldest first.
    """

    scenario: str
    results: tuple[str, ...]


class Comparison(_Record):
    """A run beside earlier runs of the same environment.

    Attributes:
        runs: Whole runs, the oldest first, this one at the end if it is whole.
        compared: How many earlier runs were looked at, whole or not.
        newly_failing: Scenarios that passed when they ran last.
        mended: Scenarios that failed when they ran last.
        unsteady: Scenarios whose result changed at least twice.
        left_out: Why earlier directories were not looked at.
    """

    runs: tuple[RunFigures, ...] = ()
    compared: int = 0
    newly_failing: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    unsteady: tuple[Unsteady, ...] = ()
    left_out: tuple[str, ...] = ()


# ---- the dashboard


class Series(_Record):
    """One line of a panel.

    Attributes:
        name: What it is called.
        points: Moments, in seconds since the epoch, and values.
    """

    name: str
    points: tuple[tuple[float, float], ...]


class Panel(_Record):
    """A panel of the dashboard, as it was at the end of a run.

    Attributes:
        title: What it shows.
        unit: Grafana's name of its unit.
        value: The one number that it shows; None for a panel with lines.
        series: Its lines.
    """

    title: str
    unit: str
    value: float | None = None
    series: tuple[Series, ...] = ()


# ---- planted defects


class Outcome(StrEnum):
    """What came of a planted defect."""

    NOTICED = "noticed"
    ELSEWHERE = "failed elsewhere"
    """The scenario failed, but not where it should: perhaps for another reason."""
    SURVIVED = "survived"
    NOT_TRIED = "not tried"


class Bite(_Record):
    """One planted defect, and what its scenario made of it.

    Attributes:
        defect: What was wrong.
        scenario: The scenario that had to notice it, with its example.
        step: The step at which it had to fail.
        outcome: What came of it.
        detail: What was seen instead, or why it could not be tried.
        seconds: How long that took, with an environment of its own.
    """

    defect: str
    scenario: str
    step: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0


class Score(_Record):
    """All planted defects.

    Attributes:
        measured: When.
        sources: Digest of the sources that they were planted in.
        sound: Whether the same scenarios pass where nothing is planted; without that they prove nothing.
        bites: Each of them.
    """

    measured: datetime
    sources: str
    sound: bool
    bites: tuple[Bite, ...]

    @property
    def noticed(self) -> int:
        """How many were noticed where they should be."""
        return sum(bite.outcome is Outcome.NOTICED for bite in self.bites)

    @property
    def whole(self) -> bool:
        """Whether every one of them was."""
        return self.sound and bool(self.bites) and self.noticed == len(self.bites)
