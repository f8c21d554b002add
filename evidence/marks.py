"""What happened during a load run, to be marked on its course, and the load between two marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from evidence.events import Entry, FaultHealed, FaultInjected, RotationAsked, RotationStep
from evidence.load import LoadRun, LoadSecond
from evidence.timeline import merge


class MarkKind(StrEnum):
    """What a mark stands for."""

    ROTATION = "rotation"
    FAULT = "fault"
    HEALED = "healed"


class Mark(BaseModel):
    """A moment that matters for the latency.

    Attributes:
        at: When, in seconds since the epoch.
        kind: What it stands for.
        label: Which secret or fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: float
    kind: MarkKind
    label: str


class Stretch(BaseModel):
    """The load from one mark to the next.

    Attributes:
        start: When it began, in seconds since the epoch.
        marks: What it began with; none before the first mark.
        count: Requests.
        failed: Those that failed.
        worst_p95: The p95 of its worst second, in seconds; None without requests.
        max: The longest latency, in seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: float
    marks: tuple[Mark, ...] = ()
    count: int
    failed: int
    worst_p95: float | None
    max: float | None


def marks(history: Iterable[Entry]) -> tuple[Mark, ...]:
    """Return the beginning of each rotation, and the beginning and end of each fault."""
    found: list[Mark] = []
    rotations: set[tuple[str, str]] = set()
    faults: dict[str, str] = {}
    for entry in merge(history):
        event = entry.event
        if isinstance(event, RotationAsked | RotationStep) and (event.secret, event.token) not in rotations:
            rotations.add((event.secret, event.token))
            found.append(Mark(at=entry.at, kind=MarkKind.ROTATION, label=event.secret))
        elif isinstance(event, FaultInjected):
            faults[event.fault] = event.what
            found.append(Mark(at=entry.at, kind=MarkKind.FAULT, label=event.what))
        elif isinstance(event, FaultHealed):
            label = faults.get(event.fault, event.fault)
            found.append(Mark(at=entry.at, kind=MarkKind.HEALED, label=label))
    return tuple(found)


def during(run: LoadRun, known: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return the marks that fall into a load run."""
    if not run.seconds:
        return ()
    start, end = run.seconds[0].second, run.seconds[-1].second + 1
    return tuple(mark for mark in known if start <= mark.at < end)


def stretches(run: LoadRun, known: Sequence[Mark]) -> tuple[Stretch, ...]:
    """Return the load before the first mark and from each mark to the next; marks of one second count as one.

    A second belongs to the mark that falls into it.
    """
    if not run.seconds:
        return ()
    by_second: dict[int, list[Mark]] = {run.seconds[0].second: []}
    for mark in during(run, known):
        by_second.setdefault(int(mark.at), []).append(mark)
    starts = sorted(by_second)
    return tuple(
        _stretch(start, by_second[start], [each for each in run.seconds if start <= each.second < end])
        for start, end in zip(starts, [*starts[1:], run.seconds[-1].second + 1], strict=True)
    )


def _stretch(start: int, known: Sequence[Mark], seconds: Sequence[LoadSecond]) -> Stretch:
    return Stretch(
        start=known[0].at if known else start,
        marks=tuple(known),
        count=sum(each.count for each in seconds),
        failed=sum(each.failed for each in seconds),
        worst_p95=max((each.p95 for each in seconds if each.p95 is not None), default=None),
        max=max((each.max for each in seconds if each.max is not None), default=None),
    )
