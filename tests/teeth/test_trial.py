"""Planting, and judging what came of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from evidence.model import Phase, ScenarioResult, Status, StepResult
from evidence.surroundings import Outcome
from teeth.defect import Defect, Edit
from teeth.trial import Copy, judge, node
from tests.evidence.runs import result

_DEFECT = Defect(
    "the sum is wrong", (Edit("sum.py", "a + b", "a - b"),), "It adds <what>", "the sum is", ("one, two",)
)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A copy of a small project, without an environment of Python's."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "sum.py").write_text("a + b\n")
    (root / ".gitignore").write_text("kept-out\n")
    (root / "kept-out").write_text("of the copy\n")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    monkeypatch.setattr("uv.find_uv_bin", lambda: "true")
    return Copy(root, tmp_path / "place")


def _failed_at(text: str, phase: Phase = Phase.STEPS) -> ScenarioResult:
    steps = (
        StepResult(keyword="When", text="they are added", status=Status.PASSED),
        StepResult(keyword="Then", text=text, status=Status.FAILED),
    )
    return result(
        "It adds <what>", Status.FAILED, example={"what": "one, two"}, phase=phase, steps=steps, reason="-1"
    )


def test_a_copy_has_what_git_knows_or_would_take(copy: Copy) -> None:
    assert sorted(path.name for path in copy.directory.iterdir()) == [".gitignore", "sum.py"]


def test_a_defect_is_there_only_while_it_is_tried(copy: Copy) -> None:
    with copy.planted(_DEFECT):
        assert (copy.directory / "sum.py").read_text() == "a - b\n"

    assert (copy.directory / "sum.py").read_text() == "a + b\n"


def test_two_changes_of_one_file_are_both_undone(copy: Copy) -> None:
    both = Defect("two", (Edit("sum.py", "a +", "b +"), Edit("sum.py", "+ b", "+ a")), "", "")

    with copy.planted(both):
        assert (copy.directory / "sum.py").read_text() == "b + a\n"

    assert (copy.directory / "sum.py").read_text() == "a + b\n"


def test_a_text_that_is_gone_is_named_and_nothing_stays_planted(copy: Copy) -> None:
    gone = Defect("gone", (Edit("sum.py", "a + b", "a"), Edit("sum.py", "a + b", "b")), "", "")

    with pytest.raises(ConfigurationError, match="0 times"), copy.planted(gone):
        pass

    assert (copy.directory / "sum.py").read_text() == "a + b\n"


def test_what_is_no_clone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="git"):
        Copy(tmp_path, tmp_path / "place")


def test_a_scenario_is_asked_for_by_the_name_that_its_test_has() -> None:
    assert node(_DEFECT) == "features/test_features.py::test_it_adds_what[one, two]"


def test_a_failure_at_the_step_is_what_is_wanted() -> None:
    assert judge(_DEFECT, [_failed_at("the sum is three")])[0] is Outcome.NOTICED


@pytest.mark.parametrize(
    "seen",
    [_failed_at("all is well"), _failed_at("the sum is three", Phase.SET_UP)],
    ids=["at another step", "before the steps"],
)
def test_a_failure_elsewhere_is_not_taken_for_it(seen: ScenarioResult) -> None:
    assert judge(_DEFECT, [seen])[0] is Outcome.ELSEWHERE


def test_a_scenario_that_passes_lets_the_defect_survive() -> None:
    passed = result("It adds <what>", Status.PASSED, example={"what": "one, two"})

    assert judge(_DEFECT, [passed])[0] is Outcome.SURVIVED


@pytest.mark.parametrize("status", [Status.NOT_RUN, Status.SKIPPED, Status.NOT_EXERCISED])
def test_a_scenario_that_did_not_run_says_nothing(status: Status) -> None:
    left_out = result("It adds <what>", status, example={"what": "one, two"})

    assert judge(_DEFECT, [left_out])[0] is Outcome.NOT_TRIED


def test_another_example_says_nothing() -> None:
    other = result("It adds <what>", Status.FAILED, example={"what": "two, three"})

    assert judge(_DEFECT, [other])[0] is Outcome.NOT_TRIED
