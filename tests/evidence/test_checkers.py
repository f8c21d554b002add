from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from evidence.checkers import (
    no_credential_gap,
    no_request_failed,
    one_current,
    steady_around_faults,
    steady_clock,
)
from evidence.events import (
    Entry,
    Event,
    FaultHealed,
    FaultInjected,
    LoadInterval,
    RequestFailed,
    SteadyStateProbe,
)
from evidence.findings import SHOWN_ENTRIES, Finding
from tests.evidence.histories import at, labels, probe


def history(*moments: tuple[float, Event]) -> tuple[Entry, ...]:
    return tuple(at(moment, event) for moment, event in moments)


def interval(count: int, failed: int = 0) -> LoadInterval:
    return LoadInterval(load="ci", count=count, failed=failed)


def failure(count: int = 1, reason: str = "status 500") -> RequestFailed:
    return RequestFailed(load="ci", request="auth", reason=reason, count=count)


def begins(fault: str = "1", what: str = "throttling") -> FaultInjected:
    return FaultInjected(fault=fault, what=what)


def heals(fault: str = "1") -> FaultHealed:
    return FaultHealed(fault=fault)


def steady(what: str = "ready", *, holds: bool = True, detail: str = "") -> SteadyStateProbe:
    return SteadyStateProbe(what=what, holds=holds, detail=detail)


CHECKERS: list[Callable[[Iterable[Entry]], tuple[Finding, ...]]] = [
    no_request_failed,
    no_credential_gap,
    one_current,
    steady_around_faults,
    steady_clock,
]


@pytest.mark.parametrize("checker", CHECKERS)
def test_an_empty_history_shows_nothing(checker: Callable[[Iterable[Entry]], tuple[Finding, ...]]) -> None:
    (found,) = checker(())

    assert found.at is None
    assert found.entries == ()


@pytest.mark.parametrize("checker", CHECKERS)
def test_entries_are_put_in_order_first(checker: Callable[[Iterable[Entry]], tuple[Finding, ...]]) -> None:
    kept = history(
        (1, interval(10)),
        (1, probe("pod", accepted=True)),
        (1, labels("a", "v1")),
        (1, steady()),
        (2, begins()),
        (3, heals()),
        (4, steady()),
    )

    assert checker(kept) == ()
    assert checker(reversed(kept)) == ()


# ---- requests


def test_failed_requests_are_found_by_reason_with_the_first_of_them() -> None:
    kept = history(
        (1, interval(100)),
        (2, interval(100, failed=3)),
        (2.2, failure(2)),
        (2.5, failure(reason="timed out")),
        (3, failure(reason="timed out")),
        (3, interval(90, failed=1)),
    )

    first, second = no_request_failed(kept)

    assert (first.at, first.text) == (2.2, "2 requests auth of ci failed: status 500.")
    assert (second.at, second.text) == (2.5, "2 requests auth of ci failed: timed out.")
    assert second.entries == (kept[3], kept[4])


def test_failures_that_nobody_gave_a_reason_for_are_found() -> None:
    found = no_request_failed(history((1, interval(10)), (2, interval(10, failed=2)), (2, failure())))

    assert [each.text for each in found] == [
        "1 request auth of ci failed: status 500.",
        "1 request of ci failed, nobody said why.",
    ]


def test_many_failures_are_one_finding_that_shows_a_few() -> None:
    (found,) = no_request_failed(history((0, interval(999)), *((n, failure()) for n in range(1, 500))))

    assert found.text == "499 requests auth of ci failed: status 500."
    assert len(found.entries) == SHOWN_ENTRIES


def test_intervals_without_a_request_show_nothing() -> None:
    assert [each.text for each in no_request_failed(history((1, interval(0))))] == [
        "No request was observed."
    ]


# ---- credentials


def test_a_gap_is_from_the_last_refusal_that_left_nothing_to_the_next_acceptance() -> None:
    (found,) = no_credential_gap(
        history(
            (1, probe("pod", accepted=True, login="old")),
            (2, probe("pod", accepted=False, login="new")),
            (3, probe("pod", accepted=False, login="old")),
            (4, probe("other", accepted=True, login="new")),
            (4.5, probe("pod", accepted=True, login="new")),
        )
    )

    assert (found.at, found.text) == (3, "pod had no accepted credential for 1.500 s.")


def test_a_gap_that_never_closes_is_found() -> None:
    (found,) = no_credential_gap(history((1, probe("pod", accepted=False))))

    assert found.text == "pod had no accepted credential, up to the end."


def test_what_changes_within_one_moment_is_no_gap() -> None:
    assert (
        no_credential_gap(
            history(
                (1, probe("pod", accepted=True, login="old")),
                (2, probe("pod", accepted=False, login="old")),
                (2, probe("pod", accepted=True, login="new")),
            )
        )
        == ()
    )


def test_a_consumer_that_nobody_asked_is_found() -> None:
    kept = history((1, probe("pod", accepted=True)))

    assert no_credential_gap(kept, consumers=["pod"]) == ()
    assert [each.text for each in no_credential_gap(kept, consumers=["pod", "cron"])] == [
        "No credential of cron was tried."
    ]


def test_silence_between_probes_and_at_both_ends_is_found() -> None:
    kept = history(
        (0, steady()),
        (3, probe("pod", accepted=True)),
        (4, probe("pod", accepted=True)),
        (7.5, probe("pod", accepted=True)),
        (11, steady()),
    )

    assert no_credential_gap(kept, silence=3.5) == ()
    assert [each.at for each in no_credential_gap(kept, silence=2)] == [0, 4, 7.5]


# ---- labels


def test_no_current_version_and_two_are_found_once_each_time() -> None:
    kept = history(
        (1, labels("a", "v1")),
        (2, labels("a", "v1", "v2")),
        (3, labels("a", "v1", "v2")),
        (4, labels("a", "v2", other=("v1",))),
        (5, labels("a", other=("v1", "v2"))),
        (5, labels("b", "v1")),
    )

    found = one_current(kept)

    assert [(each.at, each.text) for each in found] == [
        (2, "a had 2 versions labelled AWSCURRENT."),
        (5, "a had no version labelled AWSCURRENT."),
    ]
    assert found[0].entries == kept[1:3]


def test_a_secret_whose_labels_nobody_read_is_found() -> None:
    kept = history((1, labels("a", "v1")))

    assert one_current(kept, secrets=["a"]) == ()
    assert [each.text for each in one_current(kept, secrets=["b"])] == ["The labels of b were not read."]


# ---- faults


@pytest.mark.parametrize(
    ("moments", "texts"),
    [
        pytest.param(
            [(2, begins()), (3, heals()), (4, steady())],
            ["Nobody asked whether it holds before throttling: ready."],
            id="not asked before",
        ),
        pytest.param(
            [(1, steady()), (2, begins()), (2.5, steady()), (3, heals())],
            ["Nobody asked whether it holds after throttling: ready."],
            id="asked during it only",
        ),
        pytest.param(
            [(1, steady(holds=False, detail="0 of 2")), (2, begins()), (3, heals()), (4, steady())],
            ["It does not hold before throttling: ready (0 of 2)."],
            id="unsteady before",
        ),
        pytest.param(
            [(1, steady()), (2, begins()), (3, heals()), (4, steady()), (5, steady(holds=False))],
            ["It does not hold after throttling: ready."],
            id="unsteady after",
        ),
        pytest.param([(1, steady()), (2, begins())], ["throttling was never healed."], id="not healed"),
        pytest.param(
            [(1, steady()), (2, begins()), (2, begins()), (3, heals()), (4, steady())],
            ["throttling began twice without an end."],
            id="twice",
        ),
        pytest.param(
            [(1, steady()), (1, heals("9")), (2, begins()), (3, heals()), (4, steady())],
            ["The fault 9 was healed but never began."],
            id="healed only",
        ),
        pytest.param([(1, steady())], ["No fault was injected."], id="no fault"),
        pytest.param([(2, begins()), (3, heals())], ["The steady state was never asked for."], id="no probe"),
        pytest.param(
            [
                *((1, steady(what)) for what in ("ready", "synced")),
                (2, begins()),
                (3, begins("2", "restart")),
                (4, heals()),
                (4.5, steady(holds=False)),
                (5, heals("2")),
                (6, steady()),
                (7, begins("3", "delay")),
                (8, heals("3")),
                (9, steady("synced", holds=False)),
                *((10, steady(what)) for what in ("ready", "synced")),
            ],
            ["Nobody asked whether it holds after throttling, restart and before delay: synced."],
            id="overlapping, then another",
        ),
    ],
)
def test_faults(moments: list[tuple[float, Event]], texts: list[str]) -> None:
    assert [each.text for each in steady_around_faults(history(*moments))] == texts


def test_time_to_recover_is_granted() -> None:
    kept = [(1, steady()), (2, begins()), (3, heals()), (4, steady(holds=False)), (5, steady())]

    assert steady_around_faults(history(*kept)) == ()


# ---- clocks


def test_a_clock_that_is_set_is_found_each_time() -> None:
    kept = [
        Entry(at=wall, monotonic=monotonic, event=heals())
        for wall, monotonic in [(100, 0), (101, 1), (107, 2), (108.1, 3), (103, 4)]
    ]

    assert [each.text for each in steady_clock([*kept, Entry(at=500, event=heals())])] == [
        "The wall clock was set by +5.000 s.",
        "The wall clock was set by -6.000 s.",
    ]
