"""What is put up with while things go wrong, and how it is stopped."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from steps.steady_watch import Patience, SteadyWatch

_UNREADY = "the application is ready: it answers 503"
_OTHER = "three pods are ready: 2 are"


def test_what_lasts_too_long_is_named_with_what_was_seen() -> None:
    patience = Patience("the application is ready", 10)

    assert patience.judge(0, [_UNREADY]) is None
    assert patience.judge(10, [_UNREADY]) is None
    assert patience.judge(11, [_UNREADY]) == f"For 11 s this did not hold: {_UNREADY}."


def test_other_statements_are_put_up_with() -> None:
    patience = Patience("the application is ready", 10)

    assert [patience.judge(at, [_OTHER]) for at in (0, 100)] == [None, None]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 10))
def test_only_a_stretch_counts(holds: list[bool], seconds: int) -> None:
    patience = Patience("the application is ready", seconds)

    said = [patience.judge(at, [] if each else [_UNREADY]) for at, each in enumerate(holds)]

    for at in range(len(holds)):
        stretch = holds[max(0, at - seconds - 1) : at + 1]
        assert (said[at] is not None) == (len(stretch) == seconds + 2 and not any(stretch))


def test_it_stops_once_and_looks_no_more() -> None:
    stopped = threading.Event()
    looks: list[int] = []
    calls: list[int] = []

    def probe() -> list[str]:
        looks.append(1)
        return [_UNREADY]

    def stop() -> None:
        calls.append(1)
        stopped.set()

    with SteadyWatch(probe, Patience("the application", 0), stop, pause=0.001) as watch:
        assert stopped.wait(10)

    assert len(calls) == 1
    assert watch.reason is not None


def test_what_holds_is_looked_at_until_the_end_and_stops_nothing() -> None:
    enough = threading.Event()
    looks: list[int] = []

    def probe() -> list[str]:
        looks.append(1)
        if len(looks) == 5:
            enough.set()
        return []

    with SteadyWatch(probe, Patience("the application", 0), lambda: None, pause=0.001) as watch:
        assert enough.wait(10)

    assert watch.reason is None
    seen = len(looks)
    assert len(looks) == seen
