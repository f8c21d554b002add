"""What a run observed of itself: its timeline, the checks that were made, what they amount to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from evidence.checkers import fault_healing
from evidence.disturbances import DisturbanceFigures, by_kind, disturbances
from evidence.events import Entry, FaultInjected, History
from evidence.findings import CheckResult, Finding, events
from evidence.ledger import LedgerTable, bounds_kept, ledger
from evidence.load import LoadRun, load_runs, read_loads
from evidence.marks import Mark, marks
from evidence.redaction import redact_strings
from evidence.timeline import TIMELINE_FILE, Timeline, between, merge, read

_ANY_TIME = (float("-inf"), float("inf"))


class Observed(BaseModel):
    """What a run's history amounts to.

    Attributes:
        checks: The checks that were made of it.
        ledger: How new values propagated.
        loads: The load that was offered.
        marks: What happened meanwhile.
        disturbances: What went wrong on purpose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[CheckResult, ...] = ()
    ledger: tuple[LedgerTable, ...] = ()
    loads: tuple[LoadRun, ...] = ()
    marks: tuple[Mark, ...] = ()
    disturbances: tuple[DisturbanceFigures, ...] = ()


class Observation:
    """Keeps what a run observes of itself in its report directory.

    Attributes:
        timeline: Where whoever does or sees something writes it down.
    """

    def __init__(self, directory: Path, redact: Callable[[str], str] = str) -> None:
        self.timeline = Timeline(directory / TIMELINE_FILE, redact=redact)
        self._directory = directory
        self._redact = redact
        self._checks: list[CheckResult] = []

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The checks that were made so far."""
        return tuple(self._checks)

    def history(self, *, since: float = _ANY_TIME[0], until: float = _ANY_TIME[1]) -> History:
        """Return the timeline and the load runs below the report directory, in order of time.

        Args:
            since: The moment to begin with, as `Timeline.now` returned it.
            until: The moment to end with.

        Raises:
            ConfigurationError: A file of them is not what it should be.
        """
        return between(merge(read(self.timeline.file), read_loads(self._directory)), since, until)

    def check(
        self, title: str, history: Sequence[Entry], findings: Iterable[Finding], *, scenario: str = ""
    ) -> CheckResult:
        """Keep the result of a check for the report; with a finding in it the run fails.

        Args:
            title: What was to be shown.
            history: What was looked at.
            findings: What the checkers returned.
            scenario: Who asked for it.
        """
        made = CheckResult(title=title, scenario=scenario, entries=len(history), findings=tuple(findings))
        self._checks.append(CheckResult.model_validate(self._redacted(made)))
        return self._checks[-1]

    def observed(self) -> Observed:
        """Sum up what there is, with the checks that every run is held to.

        Raises:
            ConfigurationError: A file of the history is not what it should be.
        """
        history = self.history()
        tables = ledger(history)
        general: list[CheckResult] = []
        if any(events(history, FaultInjected)):
            found = fault_healing(history)
            general.append(CheckResult(title="Every fault is healed", entries=len(history), findings=found))
        if any(table.bound is not None for table in tables):
            found = bounds_kept(tables)
            general.append(
                CheckResult(title="New values propagate in time", entries=len(history), findings=found)
            )
        summed = Observed(
            checks=(*self._checks, *general),
            ledger=tables,
            loads=load_runs(history, self._directory),
            marks=marks(history),
            disturbances=by_kind(disturbances(history)),
        )
        return Observed.model_validate(self._redacted(summed))

    def _redacted(self, record: BaseModel) -> Any:  # noqa: ANN401  any value that JSON can hold
        return redact_strings(record.model_dump(), self._redact)
