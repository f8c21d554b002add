"""How soon a fault is felt, how long it lasts, and when all is well again."""

from __future__ import annotations

import pytest

from evidence.disturbances import by_kind, disturbances
from evidence.events import (
    Entry,
    Event,
    FaultFelt,
    FaultHealed,
    FaultInjected,
    RequestFailed,
    SteadyStateProbe,
)


def _at(moment: float, event: Event) -> Entry:
    return Entry.model_validate({"at": moment, "event": event.model_dump()})


def _probe(moment: float, what: str, *, holds: bool) -> Entry:
    return _at(moment, SteadyStateProbe(what=what, holds=holds))


def _failed(moment: float, count: int) -> Entry:
    return _at(moment, RequestFailed(load="load", request="ready", reason="status 503", count=count))


BEFORE = [_probe(9, "ready", holds=True), _probe(9, "synchronised", holds=True), _failed(9, 5)]
BEGIN = _at(10, FaultInjected(fault="one", what="the database restarts"))
FELT = _at(11, FaultFelt(fault="one"))
HEALED = _at(14, FaultHealed(fault="one"))


def test_a_fault_is_over_when_every_statement_holds_again() -> None:
    course = [
        *BEFORE,
        BEGIN,
        FELT,
        _failed(12, 2),
        HEALED,
        _probe(15, "ready", holds=False),
        _failed(15, 1),
        _probe(15, "synchronised", holds=True),
        _probe(17, "ready", holds=True),
        _failed(18, 7),
    ]
    (found,) = disturbances(course)
    assert (found.felt, found.lasted, found.steady, found.failed) == (1, 4, 3, 3)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ([BEGIN], (None, None, None)),
        ([BEGIN, HEALED], (None, 4, None)),
        ([BEGIN, FELT, HEALED, _probe(15, "ready", holds=True)], (1, 4, None)),
    ],
    ids=["never healed", "never felt", "not well again"],
)
def test_what_was_not_seen_is_not_told(
    course: list[Entry], expected: tuple[float | None, float | None, float | None]
) -> None:
    (found,) = disturbances([*BEFORE, *course])
    assert (found.felt, found.lasted, found.steady) == expected


def test_faults_of_a_kind_are_summed_up() -> None:
    again = [
        _at(20, FaultInjected(fault="two", what="the database restarts")),
        _at(23, FaultFelt(fault="two")),
        _at(30, FaultInjected(fault="three", what="Redis restarts")),
    ]
    redis, database = by_kind(disturbances([*BEFORE, BEGIN, FELT, HEALED, *again]))
    assert (database.what, database.count, database.felt, database.unhealed) == (
        "the database restarts",
        2,
        (2, 3),
        1,
    )
    assert (redis.count, redis.felt, redis.lasted, redis.unhealed) == (1, None, None, 1)
