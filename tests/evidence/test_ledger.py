from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.events import (
    ConsumerEnded,
    Entry,
    Event,
    OperatorSync,
    RotationAsked,
    RotationStep,
    RotationStepName,
    SecretWritten,
)
from evidence.ledger import Hop, HopFigures, LedgerTable, RotationRecord, ledger, percentile, rotations
from tests.evidence.histories import at, fingerprint, labels, uses


def step(token: str, name: RotationStepName) -> RotationStep:
    return RotationStep(secret="a", token=token, step=name)


def synced(refreshed: float) -> OperatorSync:
    return OperatorSync(secret="a", external_secret="es", refreshed=refreshed)


def written(value: str, number: int) -> SecretWritten:
    return SecretWritten(
        secret="a", kubernetes_secret="s", resource_version=str(number), fingerprint=fingerprint(value)
    )


def rotation(start: float, old: str, new: str, number: int = 7) -> list[Entry]:
    """Return a rotation that takes known times on each hop."""
    moments: list[tuple[float, Event]] = [
        (start, RotationAsked(secret="a", token=new, bound=2)),
        (start + 0.25, step(new, "createSecret")),
        (start + 0.5, step(new, "setSecret")),
        (start + 1.0, step(new, "finishSecret")),
        (start + 1.125, labels("a", new, other=(old,))),
        (start + 1.25, written(new, number)),
        (start + 1.375, synced(int(start + 1))),
        (start + 1.5, uses("pod-1", new)),
        (start + 2.25, uses("pod-2", new)),
    ]
    return [at(moment, event) for moment, event in moments]


BEFORE = [at(0, labels("a", "v1")), at(1, uses("pod-1", "v1")), at(1, uses("pod-2", "v1"))]


def seconds(record: RotationRecord) -> dict[str, float | None]:
    return {passage.hop.name + passage.consumer: passage.seconds for passage in record.passages}


def figures(table: LedgerTable, hop: Hop) -> HopFigures:
    return next(each for each in table.hops if each.hop is hop)


WHOLE = {
    "CREATED": 0.25,
    "MOVED": 0.75,
    "SYNCED": 0.375,
    "WRITTEN": 0.25,
    "FIRST_USEpod-1": 0.25,
    "FIRST_USEpod-2": 1.0,
    "END_TO_END": 1.25,
}


def test_every_hop_of_a_rotation_is_timed() -> None:
    (record,) = rotations([*BEFORE, *rotation(10, "v1", "v2")])

    assert (record.secret, record.version, record.began, record.bound) == ("a", "v2", 10, 2)
    assert record.resource_version == "7"
    assert seconds(record) == WHOLE


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        (RotationAsked, {"CREATED"}),
        (SecretWritten, {"WRITTEN", "FIRST_USEpod-1", "FIRST_USEpod-2"}),
        (OperatorSync, {"SYNCED"}),
    ],
)
def test_a_hop_of_which_an_end_was_not_seen_is_missing_and_not_zero(
    left_out: type[Event], missing: set[str]
) -> None:
    kept = [entry for entry in rotation(10, "v1", "v2") if not isinstance(entry.event, left_out)]

    (record,) = rotations([*BEFORE, *kept])

    assert seconds(record) == {name: None if name in missing else value for name, value in WHOLE.items()}


def test_a_consumer_that_never_used_the_value_is_missing_and_so_is_the_end() -> None:
    kept = [entry for entry in rotation(10, "v1", "v2") if entry.event != uses("pod-2", "v2")]

    (table,) = ledger([*BEFORE, *kept])

    assert seconds(table.rotations[0]) == WHOLE | {"FIRST_USEpod-2": None, "END_TO_END": None}
    assert (figures(table, Hop.FIRST_USE).seen, figures(table, Hop.FIRST_USE).missing) == (1, 1)
    end = figures(table, Hop.END_TO_END)
    assert (end.seen, end.missing, end.p95, end.kept) == (0, 1, None, False)


def test_a_consumer_that_ended_is_not_expected() -> None:
    kept = [entry for entry in rotation(10, "v1", "v2") if entry.event != uses("pod-2", "v2")]

    (record,) = rotations([*BEFORE, *kept, at(11, ConsumerEnded(consumer="pod-2"))])

    assert "FIRST_USEpod-2" not in seconds(record)
    assert seconds(record)["END_TO_END"] == 0.5


def test_without_any_consumer_the_first_use_is_missing() -> None:
    (table,) = ledger([at(10, step("v2", "createSecret")), at(11, step("v2", "finishSecret"))])

    assert figures(table, Hop.FIRST_USE).missing == 1
    assert figures(table, Hop.END_TO_END).missing == 1
    assert figures(table, Hop.MOVED).p50 == 1


def test_a_rotation_that_went_nowhere_has_every_hop_missing() -> None:
    (table,) = ledger([*BEFORE, at(10, RotationAsked(secret="a", token="v2"))])

    assert {each.hop for each in table.hops} == set(Hop)
    assert all((each.seen, each.missing) == (0, 1) for each in table.hops)


def test_back_to_back_rotations_do_not_take_each_others_entries() -> None:
    kept = [*BEFORE, *rotation(10, "v1", "v2"), *rotation(20, "v2", "v3", number=8)]
    kept = [entry for entry in kept if entry.event not in (written("v2", 7), synced(11))]
    kept.append(at(9, synced(40)))  # before the label moved, whatever the operator's own clock says

    first, second = rotations(kept)

    assert seconds(first)["WRITTEN"] is None
    assert seconds(first)["SYNCED"] is None
    assert seconds(second) == WHOLE
    assert second.resource_version == "8"


def test_a_use_before_the_label_was_read_counts_as_at_once() -> None:
    (record,) = rotations(
        [
            *BEFORE[:2],
            at(9, RotationAsked(secret="a", token="v2")),
            at(9.5, uses("pod-1", "v2")),
            at(10, labels("a", "v2")),
        ]
    )
    assert seconds(record)["END_TO_END"] == 0


def test_rotations_are_told_apart_by_their_bounds() -> None:
    slow = [
        at(30, RotationAsked(secret="a", token="v3", bound=25)),
        at(31, labels("a", "v3")),
        at(50, uses("pod-1", "v3")),
        at(51, uses("pod-2", "v3")),
    ]

    nudged, unaided = ledger([*BEFORE, *rotation(10, "v1", "v2"), *slow])

    assert (nudged.bound, figures(nudged, Hop.END_TO_END).max) == (2, 1.25)
    assert (unaided.bound, figures(unaided, Hop.END_TO_END).max) == (25, 20)
    assert figures(unaided, Hop.END_TO_END).kept is True
    assert figures(unaided, Hop.SYNCED).kept is None


def test_a_bound_that_is_exceeded_is_not_kept() -> None:
    assert not HopFigures(hop=Hop.END_TO_END, seen=1, missing=0, p50=3, p95=3, max=3, bound=2).kept


def test_no_rotation_makes_no_table() -> None:
    assert ledger(BEFORE) == ()


@given(st.lists(st.floats(0, 100), min_size=1).map(sorted), st.sampled_from([50.0, 95.0, 100.0]))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], rank: float) -> None:
    found = percentile(values, rank)

    assert found == min(
        value for value in values if sum(each <= value for each in values) >= len(values) * rank / 100
    )


def test_there_is_no_percentile_of_nothing() -> None:
    assert percentile([], 95) is None
