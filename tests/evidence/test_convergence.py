from __future__ import annotations

import pytest

from evidence.convergence import Consumer, converged, moves
from evidence.events import ConsumerEnded, Entry, Event, RotationStep
from tests.evidence.histories import at, labels, uses


def history(*moments: tuple[float, Event]) -> tuple[Entry, ...]:
    return tuple(at(moment, event) for moment, event in moments)


POD = Consumer("pod", "a", bound=2)
MOVED = "AWSCURRENT of a moved to version v2; its bound is 2 s."


def finish(token: str) -> RotationStep:
    return RotationStep(secret="a", token=token, step="finishSecret")


def texts(*moments: tuple[float, Event]) -> list[str]:
    return [found.text for found in converged(history(*moments), consumers=[POD])]


def test_a_consumer_in_time_for_every_move_is_no_finding() -> None:
    assert (
        texts(
            (0, labels("a", "v1")),
            (1, uses("pod", "v1")),
            (10, labels("a", "v2")),
            (12, uses("pod", "v2")),  # the bound itself is in time
            (20, labels("a", "v3")),
            (19, uses("pod", "v3")),  # the label may be read late
            (30, labels("a", "v3")),
        )
        == []
    )


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        pytest.param(
            [
                (0, labels("a", "v1")),
                (1, uses("pod", "v1")),
                (10, labels("a", "v2")),
                (12.5, uses("pod", "v2")),
            ],
            [
                f"pod used another value 2.000 s after {MOVED}",
            ],
            id="late",
        ),
        pytest.param(
            [
                (0, labels("a", "v1")),
                (1, uses("pod", "v1")),
                (10, labels("a", "v2")),
                (11, uses("pod", "v2")),
                (15, uses("pod", "v1")),
                (15.5, uses("pod", "v2")),
                (16, labels("a", "v2")),
            ],
            [f"pod had gone back to another value 5.000 s after {MOVED}"],
            id="back",
        ),
        pytest.param(
            [
                (0, labels("a", "v1")),
                (1, uses("pod", "v1")),
                (10, labels("a", "v2")),
                (11, uses("pod", "v1")),
            ],
            [
                f"pod used another value 1.000 s after {MOVED}",
                "pod was not seen to follow any move of a.",
            ],
            id="the history ends too soon",
        ),
        pytest.param(
            [(0, labels("a", "v1")), (1, uses("pod", "v1")), (9, labels("a", "v1"))],
            ["AWSCURRENT of a was not seen to move."],
            id="no move",
        ),
        pytest.param(
            [(0, labels("a", "v1")), (3, labels("a", "v2")), (3, uses("other", "v2"))],
            ["pod was not seen to use a."],
            id="no consumer",
        ),
        pytest.param(
            [(0, labels("a", "v1")), (1, uses("pod", "v1")), (9, finish("v2")), (9, uses("pod", "v2"))],
            [
                "The value of version v2 of a was not read.",
                "pod was not seen to follow any move of a.",
            ],
            id="value unknown",
        ),
        pytest.param([], ["AWSCURRENT of a was not seen to move.", "pod was not seen to use a."], id="empty"),
    ],
)
def test_a_planted_violation_is_found(moments: list[tuple[float, Event]], expected: list[str]) -> None:
    assert texts(*moments) == expected


def test_a_move_that_the_next_one_overtakes_need_not_be_followed() -> None:
    kept = [(0.0, labels("a", "v1")), (0.0, uses("pod", "v1"))]

    assert texts(*kept, (5, labels("a", "v2")), (6.5, labels("a", "v3")), (8, uses("pod", "v3"))) == []


def test_a_consumer_that_ended_owes_nothing_until_it_is_seen_again() -> None:
    kept: list[tuple[float, Event]] = [
        (0, labels("a", "v1")),
        (0, uses("pod", "v1")),
        (5, labels("a", "v2")),
        (6, uses("pod", "v2")),
        (9, ConsumerEnded(consumer="pod")),
        (10, labels("a", "v3")),
        (20, labels("a", "v3")),
    ]

    assert texts(*kept) == []
    assert len(texts(*kept, (21, uses("pod", "v2")))) == 1


def test_the_step_that_moves_the_label_tells_the_moment() -> None:
    kept = history((0, labels("a", "v1")), (5, finish("v2")), (6, labels("a", "v2")), (7, labels("b", "v9")))

    assert [(move.entry.at, move.version) for move in moves(kept, "a")] == [(0, "v1"), (5, "v2")]
    assert moves(kept, "a")[1].fingerprint is not None


def test_a_reading_that_began_before_a_move_does_not_tell_of_a_move_back() -> None:
    late = labels("a", "v1").model_copy(update={"asked": 9.9})
    seen = moves(
        history((0, labels("a", "v1")), (10, finish("v2")), (10.1, late), (11, labels("a", "v2"))), "a"
    )
    assert [(move.entry.at, move.version) for move in seen] == [(0, "v1"), (10, "v2")]


def test_a_reading_that_began_after_a_move_tells_of_a_move_back() -> None:
    back = labels("a", "v1").model_copy(update={"asked": 10.05})
    seen = moves(history((0, labels("a", "v1")), (10, finish("v2")), (10.1, back)), "a")
    assert [(move.entry.at, move.version) for move in seen] == [(0, "v1"), (10, "v2"), (10.1, "v1")]


def test_somebody_must_be_named() -> None:
    assert [found.text for found in converged((), consumers=[])] == ["No consumer was named."]
