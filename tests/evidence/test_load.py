from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from evidence.checkers import no_request_failed
from evidence.events import LoadInterval, RequestFailed
from evidence.load import load_runs, read_loads
from loadtests.results import IntervalFile
from loadtests.samples import Recorder
from tests.evidence.histories import at


def offered(directory: Path, *samples: tuple[float, str, float, str | None]) -> None:
    """Leave what a load run leaves, written by the load tests' own code."""
    recorder, file = Recorder(), IntervalFile(directory / "intervals.jsonl")
    for ended, name, latency, failure in samples:
        recorder.record(ended, name, latency, failure)
    file.append(reversed(recorder.drain()))
    file.close()


def test_a_load_run_is_read_second_by_second_whatever_the_requests(tmp_path: Path) -> None:
    offered(
        tmp_path / "load" / "ci",
        *((100.5, "health", 0.010, None) for _ in range(19)),
        (100.9, "auth", 0.200, "status 500"),
        (102.1, "auth", 0.030, None),
    )

    first, failed, second = read_loads(tmp_path)

    assert (first.at, second.at) == (100, 102)
    assert isinstance(first.event, LoadInterval)
    assert (first.event.load, first.event.count, first.event.failed) == ("load/ci", 20, 1)
    assert first.event.p50 == pytest.approx(0.010, rel=0.01)
    assert first.event.p95 == pytest.approx(0.010, rel=0.01)
    assert first.event.max == pytest.approx(0.200, rel=0.01)
    assert failed.event == RequestFailed(load="load/ci", request="auth", reason="status 500")
    assert [found.text for found in no_request_failed([first, failed, second])] == [
        "1 request auth of load/ci failed: status 500."
    ]


def test_a_run_comes_with_its_summary_where_it_came_to_its_end(tmp_path: Path) -> None:
    for name in ("a", "b"):
        offered(tmp_path / name, (100, "health", 0.01, None))
    (tmp_path / "b" / "summary.json").write_text(
        '{"profile": "ci", "purpose": "People sign in", "missed": 2, "total": {},'
        ' "thresholds": [{"expression": "p95 < 1 ms", "seen": "9 ms", "met": false}]}'
    )

    a, b = load_runs(read_loads(tmp_path), tmp_path)

    assert (a.name, a.summary, a.count, a.failed) == ("a", None, 1, 0)
    assert (a.title, b.title) == ("a", "People sign in")
    assert b.summary is not None
    assert (b.summary.profile, b.summary.missed, b.summary.thresholds[0].met) == ("ci", 2, False)


def test_a_last_line_still_being_written_is_left_out_and_a_broken_one_is_named(tmp_path: Path) -> None:
    offered(tmp_path, (100, "health", 0.01, None))
    file = tmp_path / "intervals.jsonl"
    whole = file.read_text()

    file.write_text(whole + '{"second": 1')
    assert len(read_loads(tmp_path)) == 1

    file.write_text(whole + '{"second": 1}\n')
    with pytest.raises(ConfigurationError, match=r"intervals\.jsonl"):
        read_loads(tmp_path)
    (tmp_path / "summary.json").write_text("[]")
    with pytest.raises(ConfigurationError, match=r"summary\.json"):
        load_runs([at(1, LoadInterval(load=".", count=1))], tmp_path)


def test_where_no_load_was_offered_there_is_none(tmp_path: Path) -> None:
    assert read_loads(tmp_path) == []
    assert load_runs([], tmp_path) == ()
