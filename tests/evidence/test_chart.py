from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from evidence.chart import HEIGHT, WIDTH, clock, draw
from evidence.events import FaultHealed, FaultInjected, RotationAsked, RotationStep
from evidence.load import LoadRun, LoadSecond
from evidence.marks import Mark, MarkKind, marks, stretches
from tests.evidence.histories import at


def run(*seconds: LoadSecond) -> LoadRun:
    return LoadRun(name="ci", seconds=seconds)


def second(number: int, p95: float | None = 0.02, *, count: int = 10, failed: int = 0) -> LoadSecond:
    longest = None if p95 is None else p95 * 2
    return LoadSecond(second=number, count=count, failed=failed, p50=p95, p95=p95, max=longest)


def rotation(moment: float, secret: str = "mita/a") -> Mark:  # noqa: S107  a name
    return Mark(at=moment, kind=MarkKind.ROTATION, label=secret)


def fault(moment: float, *, healed: bool = False, what: str = "restart") -> Mark:
    return Mark(at=moment, kind=MarkKind.HEALED if healed else MarkKind.FAULT, label=what)


def test_a_rotation_is_marked_once_where_it_began_and_a_fault_at_both_ends() -> None:
    history = [
        at(1, RotationAsked(secret="a", token="v2")),
        at(2, RotationStep(secret="a", token="v2", step="createSecret")),
        at(3, RotationStep(secret="b", token="v2", step="createSecret")),
        at(4, FaultInjected(fault="1", what="restart")),
        at(5, FaultHealed(fault="1")),
    ]

    assert marks(history) == (
        rotation(1, "a"),
        rotation(3, "b"),
        fault(4),
        fault(5, healed=True),
    )


def test_the_load_is_told_from_each_mark_to_the_next() -> None:
    load = run(second(10), second(11, 0.05), second(12, 0.03, failed=2), second(14, None, count=0))

    first, rotated, late = stretches(load, [rotation(9), rotation(11.6), fault(11.7), rotation(14.5)])

    assert (first.start, first.marks, first.count, first.worst_p95) == (10, (), 10, 0.02)
    assert (rotated.start, rotated.count, rotated.failed, rotated.worst_p95, rotated.max) == (
        11.6,
        20,
        2,
        0.05,
        0.1,
    )
    assert rotated.marks == (rotation(11.6), fault(11.7))
    assert (late.count, late.worst_p95) == (0, None)


def test_a_second_without_a_measurement_is_a_gap_in_the_line() -> None:
    chart = draw(run(second(0), second(1), second(2, None), second(3), second(5)), [])

    assert chart is not None
    assert [line.path.count("M") for line in chart.lines] == [3, 3, 3]
    assert [line.path.count("L") for line in chart.lines] == [1, 1, 1]


def test_a_load_without_a_request_has_no_picture() -> None:
    assert draw(run(second(0, None, count=0)), []) is None
    assert draw(run(), []) is None


def test_slower_is_higher_and_later_is_further_right() -> None:
    chart = draw(run(second(0, 0.01), second(1, 0.3)), [], threshold=0.5)

    assert chart is not None
    assert chart.threshold is not None
    (x0, y0), (x1, y1) = points(chart.lines[1].path)
    assert x0 < x1
    assert chart.threshold < y1 < y0
    assert [tick.text for tick in chart.y_ticks] == ["1 ms", "10 ms", "100 ms", "1 s"]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def test_a_fault_is_shaded_as_far_as_the_picture_reaches() -> None:
    load = run(*(second(number) for number in range(10, 20)))

    chart = draw(
        load,
        [fault(5), fault(12, healed=True), fault(14), fault(14.5, what="b"), fault(16, healed=True)],
    )

    assert chart is not None
    tenth = (chart.right - chart.left) / 10
    spans = [((band.x - chart.left) / tenth, band.width / tenth) for band in chart.bands]
    assert [(round(start, 1), round(width, 1)) for start, width in spans] == [(0, 2), (4, 2), (6, 4)]


def test_labels_leave_out_what_all_secrets_share_and_count_those_without_room() -> None:
    load = run(*(second(number) for number in range(100)))
    crowd = [rotation(10 + n / 100, f"mita/production/{'database' if n % 2 else 'auth'}") for n in range(9)]

    chart = draw(load, crowd)

    assert chart is not None
    assert [marker.label.text for marker in chart.markers if marker.label] == ["auth", "database", "auth"]
    assert chart.unlabelled == 6
    assert len(chart.markers) == 9


@given(
    st.lists(st.floats(1e-6, 600), min_size=1, max_size=40),
    st.lists(st.tuples(st.floats(0, 40), st.text(max_size=60), st.sampled_from(MarkKind)), max_size=20),
)
def test_everything_lies_within_the_picture_and_labels_do_not_meet(
    latencies: list[float], moments: list[tuple[float, str, MarkKind]]
) -> None:
    load = run(*(second(number, latency) for number, latency in enumerate(latencies)))
    known = sorted((Mark(at=m, kind=kind, label=text) for m, text, kind in moments), key=lambda mark: mark.at)

    chart = draw(load, known, threshold=0.5)

    assert chart is not None
    places = [point for line in chart.lines for point in points(line.path)]
    assert all(chart.left <= x <= chart.right and chart.top <= y <= chart.bottom for x, y in places)
    assert all(chart.left <= marker.x <= chart.right for marker in chart.markers)
    assert all(chart.left <= band.x and band.x + band.width <= chart.right + 0.2 for band in chart.bands)
    rows: dict[float, list[tuple[float, float]]] = {}
    for label in (marker.label for marker in chart.markers if marker.label):
        width = 6 * len(label.text)
        begin = label.x if label.anchor == "start" else label.x - width
        assert begin >= 0
        assert begin + width <= WIDTH
        assert 0 < label.y < HEIGHT
        rows.setdefault(label.y, []).append((begin, begin + width))
    for row in rows.values():
        ordered = sorted(row)
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(ordered))


def test_a_time_is_written_in_minutes_and_seconds() -> None:
    assert [clock(value) for value in (0, 9.9, 75, 960)] == ["0:00", "0:09", "1:15", "16:00"]
