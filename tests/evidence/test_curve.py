"""Small pictures of numbers over time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.curve import Curve, amount, trace
from evidence.surroundings import Series

_ENDS = ("then", "now")
_NUMBERS = st.floats(min_value=-1e9, max_value=1e9)


def _traced(*values: float) -> Curve:
    series = Series(name="a", points=tuple((float(at), value) for at, value in enumerate(values)))
    made = trace([series], "short", ends=_ENDS)
    assert made is not None
    return made


def test_nothing_makes_no_picture() -> None:
    assert trace([], "s", ends=_ENDS) is None
    assert trace([Series(name="a", points=())], "s", ends=_ENDS) is None


def test_a_line_goes_from_the_left_to_the_right_and_up_with_its_values() -> None:
    made = _traced(0, 5, 10)

    middle = (made.top + made.bottom) / 2
    places = (f"{made.left}.0 {made.bottom}.0", f"246.0 {middle}", f"{made.right}.0 {made.top}.0")
    assert made.lines[0].path == f"M{'L'.join(places)}h.1"


def test_the_axis_begins_at_nothing_where_no_value_is_below() -> None:
    assert [tick.text for tick in _traced(7, 9).y_ticks] == ["0", "5", "10"]


def test_times_are_cut_at_round_minutes() -> None:
    series = Series(name="a", points=((0.0, 100.0), (1.0, 750.0)))

    made = trace([series], "s", ends=_ENDS)

    assert made is not None
    assert [tick.text for tick in made.y_ticks] == ["0 s", "5 min", "10 min", "15 min"]


def test_a_single_point_stands_in_the_middle() -> None:
    assert _traced(3).lines[0].path.startswith("M246.0 ")


@given(st.lists(_NUMBERS, min_size=1, max_size=20))
def test_whatever_the_values_all_lies_within_the_frame(values: list[float]) -> None:
    made = _traced(*values)

    places = re.findall(r"[ML]([-\d.e]+) ([-\d.e]+)", made.lines[0].path)
    assert len(places) == len(values)
    for x, y in places:
        assert made.left <= float(x) <= made.right
        assert made.top - 0.1 <= float(y) <= made.bottom + 0.1
    assert all(made.top - 0.1 <= tick.at <= made.bottom + 0.1 for tick in made.y_ticks)
    assert 2 <= len(made.y_ticks) <= 6


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5, "percentunit", "50 %"),
        (1.0, "bool_yes_no", "yes"),
        (0.0, "bool_yes_no", "no"),
        (0.25, "s", "250 ms"),
        (12.0, "s", "12 s"),
        (90.0, "s", "1.5 min"),
        (7200.0, "s", "2 h"),
        (2592000.0, "s", "30 d"),
        (315273600.0, "s", "3,649 d"),
        (1000.0, "reqps", "1,000/s"),
        (0.0, "s", "0 s"),
        (2.5, "reqps", "2.5/s"),
        (2**20 * 300, "bytes", "300 MiB"),
        (2**30 * 1.5, "bytes", "1.5 GiB"),
        (3.0, "short", "3"),
    ],
)
def test_numbers_are_written_with_their_unit(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text
