"""Thresholds: what they accept, what they refuse, and that each can be breached."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.errors import ConfigurationError
from loadtests.samples import Interval, Recorder, summarise, within
from loadtests.thresholds import judge, parse


def recorded(latencies: list[float], *, name: str = "health", failed: int = 0) -> list[Interval]:
    recorder = Recorder()
    for index, latency in enumerate(latencies):
        recorder.record(1000 + index / 100, name, latency, "status 500" if index < failed else None)
    return recorder.drain()


@pytest.mark.parametrize(
    ("expression", "latencies", "failed", "met"),
    [
        ("p95 < 500 ms", [0.499] * 100, 0, True),
        ("p95 < 500 ms", [0.501] * 100, 0, False),
        ("p95 <= 0.4 s", [0.1] * 94 + [0.9] * 6, 0, False),
        ("p50<200ms", [0.1] * 94 + [0.9] * 6, 0, True),
        ("failures == 0", [0.1] * 10, 0, True),
        ("failures == 0", [0.1] * 10, 1, False),
        ("failure_rate < 20 %", [0.1] * 10, 1, True),
        ("failure_rate < 10 %", [0.1] * 10, 1, False),
        ("max < 1 s", [0.1, 1.5], 0, False),
        ("requests >= 3", [0.1] * 2, 0, False),
        ("rate > 9/s", [0.1] * 100, 0, True),
        ("rate > 11/s", [0.1] * 100, 0, False),
        ("p95(health) < 500 ms", [0.1] * 10, 0, True),
    ],
)
def test_a_threshold_is_met_or_breached_by_the_samples(
    expression: str, latencies: list[float], failed: int, met: bool
) -> None:
    [verdict] = judge([parse(expression)], recorded(latencies, failed=failed), seconds=10, missed=0)
    assert verdict.met is met


@pytest.mark.parametrize(
    "expression", ["p95 < 500 ms", "failures == 0", "missed == 0", "failures(auth) == 0"]
)
def test_a_threshold_without_samples_is_breached(expression: str) -> None:
    intervals = recorded([0.1]) if "auth" in expression else []
    [verdict] = judge([parse(expression)], intervals, seconds=10, missed=0)
    assert not verdict.met


def test_every_breach_is_reported() -> None:
    thresholds = [parse("p95 < 1 ms"), parse("failures == 0"), parse("missed == 0")]
    verdicts = judge(thresholds, recorded([0.1] * 10, failed=2), seconds=10, missed=3)
    assert [verdict.met for verdict in verdicts] == [False, False, False]
    assert [v.threshold.show(v.seen) for v in verdicts][1:] == ["2", "3"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "p95",
        "p95 < 500",
        "p95 < 5 %",
        "failures < 1 s",
        "rate > 5",
        "p100 < 1 s",
        "p95 =< 1 s",
        "speed < 1 s",
    ],
)
def test_what_is_not_a_threshold_is_refused_with_the_way_to_write_one(expression: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(expression)
    assert refused.value.remedy


def test_milliseconds_are_not_rounded_to_tens() -> None:
    low, high = summarise(recorded([0.4964] * 9)), summarise(recorded([0.5036] * 9))
    assert low.percentile(95) == pytest.approx(0.4964, rel=2e-3)
    assert high.percentile(95) == pytest.approx(0.5036, rel=2e-3)


@given(st.lists(st.floats(min_value=1e-4, max_value=60), min_size=1, max_size=200), st.integers(1, 99))
def test_a_percentile_is_that_of_the_raw_samples_to_three_digits(latencies: list[float], rank: int) -> None:
    ordered = sorted(latencies)
    exact = ordered[max(0, int(rank * len(ordered) / 100 + 0.5) - 1)]  # the nearest rank
    assert summarise(recorded(latencies)).percentile(rank) == pytest.approx(exact, rel=2e-3, abs=2e-6)


@settings(max_examples=25)
@given(st.lists(st.floats(min_value=1e-3, max_value=10), min_size=2, max_size=60), st.integers(1, 59))
def test_samples_of_several_processes_merge_as_if_one_had_taken_them(
    latencies: list[float], cut: int
) -> None:
    together = summarise(recorded(latencies))
    apart = summarise(recorded(latencies[:cut]) + recorded(latencies[cut:]))
    assert apart.count == together.count
    assert apart.percentile(95) == together.percentile(95)
    assert apart.mean == pytest.approx(statistics.fmean(latencies), rel=1e-2)


def test_a_second_that_straddles_a_moment_belongs_to_neither_side() -> None:
    intervals = recorded([0.1] * 300)  # seconds 1000, 1001, 1002
    assert [i.second for i in within(intervals, 0, 1001.5)] == [1000]
    assert [i.second for i in within(intervals, 1001.5, 2000)] == [1002]
