"""Delays between restarts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from environments.embedded.node.backoff import Backoff


def test_the_first_restart_is_immediate_then_delays_double_up_to_the_longest() -> None:
    backoff = Backoff()
    assert [backoff.next(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_long_run_starts_over() -> None:
    backoff = Backoff(base=1, longest=4)
    assert [backoff.next(ran) for ran in (0, 0, 0, 7.9, 8, 0)] == [0, 1, 2, 4, 0, 1]


@given(st.lists(st.floats(0, 1000), max_size=50))
def test_a_delay_is_never_longer_than_the_longest(runs: list[float]) -> None:
    backoff = Backoff()
    assert all(0 <= backoff.next(ran) <= backoff.longest for ran in runs)
