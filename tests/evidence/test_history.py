"""A run beside earlier runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.history import LOOKED_BACK, MOST_RUNS, compare, figures, read_earlier, surrounded
from evidence.manifest import seal
from evidence.model import RESULTS_FILE, Run, Status, save_run
from evidence.surroundings import Bite, Outcome, Score
from evidence.teeth import TEETH_FILE, save_score
from tests.evidence.runs import WHEN, catalogued, feature, result, run

_PASSED, _FAILED, _NOT_RUN = Status.PASSED, Status.FAILED, Status.NOT_RUN


def _run(status: Status, *, day: int = 0, **more: object) -> Run:
    started = WHEN + timedelta(days=day)
    given: dict[str, object] = {"started": started, "finished": started + timedelta(minutes=2), **more}
    return run(result("It holds", status), features=(feature(catalogued("It holds")),), **given)


def _runs(*statuses: Status) -> list[Run]:
    return [_run(status, day=day) for day, status in enumerate(statuses)]


def _kept(reports: Path, made: Run, name: str = "") -> Path:
    directory = reports / (name or f"{made.started:%Y%m%dT%H%M%SZ}-embedded")
    directory.mkdir()
    save_run(made, directory)
    seal(directory)
    return directory


def test_what_passed_when_it_ran_last_fails_newly() -> None:
    found = compare(_run(_FAILED, day=9), _runs(_FAILED, _PASSED, _NOT_RUN))

    assert found.newly_failing == ("It holds",)
    assert found.mended == ()


def test_what_failed_when_it_ran_last_is_mended() -> None:
    found = compare(_run(_PASSED, day=9), _runs(_PASSED, _FAILED))

    assert found.mended == ("It holds",)
    assert found.newly_failing == ()


def test_what_never_ran_before_is_nothing_new() -> None:
    found = compare(_run(_FAILED, day=9), _runs(_NOT_RUN))

    assert (found.newly_failing, found.mended, found.unsteady) == ((), (), ())


def test_the_first_run_has_nothing_beside_it() -> None:
    found = compare(_run(_PASSED), [])

    assert (found.compared, len(found.runs)) == (0, 1)


def test_another_example_is_another_scenario() -> None:
    before = run(result("It holds", _PASSED, example={"what": "one"}))
    now = run(result("It holds", _FAILED, example={"what": "two"}))

    assert compare(now, [before]).newly_failing == ()


def test_what_comes_and_goes_is_unsteady() -> None:
    found = compare(_run(_PASSED, day=9), _runs(_PASSED, _FAILED))

    (unsteady,) = found.unsteady
    assert unsteady.results == ("passed", "failed", "passed")


@given(
    st.lists(st.sampled_from([_PASSED, _FAILED, _NOT_RUN]), max_size=15), st.sampled_from([_PASSED, _FAILED])
)
def test_the_comparison_is_as_one_would_do_it_by_hand(before: Sequence[Status], now: Status) -> None:
    found = compare(_run(now, day=99), _runs(*before))

    seen = [status for status in before if status is not _NOT_RUN]
    last = seen[-1] if seen else now
    assert bool(found.newly_failing) == (last is _PASSED and now is _FAILED)
    assert bool(found.mended) == (last is _FAILED and now is _PASSED)
    text = "".join("P" if status is _PASSED else "F" for status in [*seen, now][-LOOKED_BACK:])
    assert bool(found.unsteady) == (text.count("PF") + text.count("FP") >= 2)


def test_a_part_of_the_scenarios_is_no_run_to_count_with_but_its_results_are() -> None:
    part = _run(_FAILED, selection="features -k holds")

    found = compare(_run(_PASSED, day=9), [part])

    assert len(found.runs) == 1
    assert found.mended == ("It holds",)


def test_a_run_in_few_figures() -> None:
    made = figures(_run(_FAILED))

    assert (made.verdict, made.passed, made.failed, made.other, made.seconds) == ("failed", 0, 1, 0, 120)
    assert (made.latency, made.propagation) == (None, None)


# ---- what lies beside it


def test_earlier_runs_of_the_same_environment_are_read_the_oldest_first(tmp_path: Path) -> None:
    for each in reversed(_runs(_PASSED, _FAILED)):
        _kept(tmp_path, each)
    _kept(tmp_path, _run(_PASSED, environment="production", day=2), "production")
    _kept(tmp_path, _run(_PASSED, finished=None, day=3), "killed")
    _kept(tmp_path, _run(_PASSED, day=9), "later")
    (tmp_path / "benchmarks").mkdir()
    now = _run(_PASSED, day=5)

    found, left_out = read_earlier(now, _kept(tmp_path, now))

    assert [each.scenarios[0].status for each in found] == [_PASSED, _FAILED]
    assert left_out == []


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = _kept(tmp_path, _run(_PASSED))
    (broken / "manifest.json").unlink()
    (broken / RESULTS_FILE).write_text("{")
    now = _run(_PASSED, day=5)

    found, left_out = read_earlier(now, _kept(tmp_path, now))

    assert found == []
    assert broken.name in left_out[0]


def test_results_that_were_changed_since_are_not_looked_at(tmp_path: Path) -> None:
    touched = _kept(tmp_path, _run(_FAILED))
    save_run(_run(_PASSED), touched)
    now = _run(_PASSED, day=5)

    found, left_out = read_earlier(now, _kept(tmp_path, now))

    assert found == []
    assert left_out == [f"{touched.name}: its results were changed since"]


def test_only_the_latest_are_read(tmp_path: Path) -> None:
    for each in _runs(*[_PASSED] * (MOST_RUNS + 2)):
        _kept(tmp_path, each)
    now = _run(_PASSED, day=99)

    found, _ = read_earlier(now, _kept(tmp_path, now))

    assert len(found) == MOST_RUNS
    assert found[-1].started == WHEN + timedelta(days=MOST_RUNS + 1)


@pytest.fixture
def score() -> Score:
    bite = Bite(defect="a", scenario="It holds", step="it holds", outcome=Outcome.NOTICED)
    return Score(measured=WHEN, sources="of then", sound=True, bites=(bite,))


def test_a_run_gets_the_score_that_lies_beside_it(tmp_path: Path, score: Score) -> None:
    save_score(score, tmp_path)
    now = _run(_PASSED)

    made = surrounded(now, _kept(tmp_path, now), root=tmp_path)

    assert made.teeth == score
    assert made.sources not in ("", score.sources)


def test_a_score_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / TEETH_FILE).write_text("{")
    now = _run(_PASSED)

    made = surrounded(now, _kept(tmp_path, now), root=tmp_path)

    assert made.teeth is None
    assert made.comparison is not None
    assert TEETH_FILE in made.comparison.left_out[0]
