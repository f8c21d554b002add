"""What went wrong on purpose: how soon it was felt, how long it lasted, how soon all was well again."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from evidence.events import Entry, FaultFelt, FaultHealed, FaultInjected, RequestFailed, SteadyStateProbe
from evidence.findings import events
from evidence.timeline import merge


class Disturbance(BaseModel):
    """One fault.

    Attributes:
        what: What it was.
        began: When, in seconds since the epoch.
        felt: Seconds until somebody felt it; None where nobody was seen to.
        lasted: Seconds until it was healed; None where it never was.
        steady: Seconds from its healing until the steady state held again; None where that was not seen.
        failed: Requests that failed from its beginning until the steady state held again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    began: float
    felt: float | None = None
    lasted: float | None = None
    steady: float | None = None
    failed: int = 0


class DisturbanceFigures(BaseModel):
    """All faults of one kind.

    Attributes:
        what: The kind.
        count: How many there were.
        felt: Seconds until one was felt: median and most; None where none was.
        lasted: As above, until it was healed.
        steady: As above, from there until the steady state.
        unhealed: How many were never healed.
        failed: Requests that failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    count: int
    felt: tuple[float, float] | None
    lasted: tuple[float, float] | None
    steady: tuple[float, float] | None
    unhealed: int
    failed: int


def disturbances(history: Iterable[Entry]) -> tuple[Disturbance, ...]:
    """Return every fault of a history, in the order in which they began."""
    entries = merge(history)
    statements = frozenset(probe.what for _, probe in events(entries, SteadyStateProbe))
    return tuple(
        _disturbance(entry, entry.event, entries[place:], statements)
        for place, entry in enumerate(entries)
        if isinstance(entry.event, FaultInjected)
    )


def _disturbance(
    begin: Entry, injected: FaultInjected, after: Sequence[Entry], statements: frozenset[str]
) -> Disturbance:
    felt: float | None = None
    healed: float | None = None
    steady: float | None = None
    failed, holding = 0, set[str]()
    for entry in after:
        event = entry.event
        if isinstance(event, FaultFelt) and event.fault == injected.fault:
            felt = entry.at - begin.at
        elif isinstance(event, FaultHealed) and event.fault == injected.fault:
            healed = entry.at
        elif isinstance(event, RequestFailed):
            failed += event.count
        elif isinstance(event, SteadyStateProbe) and healed is not None:
            holding = holding | {event.what} if event.holds else holding - {event.what}
            if holding == statements:
                steady = entry.at - healed
                break
    return Disturbance(
        what=injected.what,
        began=begin.at,
        felt=felt,
        lasted=None if healed is None else healed - begin.at,
        steady=steady,
        failed=failed,
    )


def by_kind(found: Iterable[Disturbance]) -> tuple[DisturbanceFigures, ...]:
    """Sum up faults by what they were."""
    kinds: dict[str, list[Disturbance]] = defaultdict(list)
    for each in found:
        kinds[each.what].append(each)
    return tuple(
        DisturbanceFigures(
            what=what,
            count=len(group),
            felt=_figures(each.felt for each in group),
            lasted=_figures(each.lasted for each in group),
            steady=_figures(each.steady for each in group),
            unhealed=sum(each.lasted is None for each in group),
            failed=sum(each.failed for each in group),
        )
        for what, group in sorted(kinds.items())
    )


def _figures(seconds: Iterable[float | None]) -> tuple[float, float] | None:
    known = [each for each in seconds if each is not None]
    return (statistics.median(known), max(known)) if known else None
