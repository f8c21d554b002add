"""What the messages say, as two others read them: the published schema and Cucumber's own reader."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cucumber_messages import Envelope
from cucumber_messages.json_converter import JsonDataclassConverter

from evidence.catalogue import CataloguedScenario, CataloguedStep, read_features
from evidence.messages import MESSAGES_FILE, messages, write_messages
from evidence.model import Attachment, Phase, Run, ScenarioResult, Status, StepResult
from tests.evidence import runs

_SCHEMA = Path(__file__).parent / "schemas" / "cucumber-messages.schema.json"
_FEATURES = Path(__file__).parents[2] / "features"


def step(status: Status, text: str = "it is tried", seconds: float = 0.5) -> StepResult:
    return StepResult(keyword="When", text=text, status=status, seconds=seconds)


def of(*results: Any, **more: Any) -> Run:  # noqa: ANN401  as runs.run takes them
    features = (runs.feature(*map(_catalogued, results)),)
    return runs.run(*results, **({"features": features, "criteria": (runs.criterion("P1.1"),)} | more))


def _catalogued(result: ScenarioResult) -> CataloguedScenario:
    steps = tuple(
        CataloguedStep(keyword=step.keyword, kind="when", text=step.text, line=3) for step in result.steps
    )
    return runs.catalogued(result.title, "P1.1").model_copy(update={"steps": steps})


class Read:
    """Messages as Cucumber's own classes have them, after the schema has let them pass."""

    def __init__(self, run: Run, directory: Path) -> None:
        lines = write_messages(run, directory).read_text().splitlines()
        validator = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text()))
        for line in lines:
            validator.validate(json.loads(line))
        converter = JsonDataclassConverter(module_scope=__import__("cucumber_messages"))
        self.envelopes = [converter.from_dict(json.loads(line), Envelope) for line in lines]

    def all(self, kind: str) -> list[Any]:
        return [getattr(envelope, kind) for envelope in self.envelopes if getattr(envelope, kind) is not None]

    def outcomes(self, title: str) -> list[tuple[str, str]]:
        """Follow the identifiers from a scenario to how each of its steps ended."""
        pickle = next(pickle for pickle in self.all("pickle") if pickle.name == title)
        (case,) = [case for case in self.all("test_case") if case.pickle_id == pickle.id]
        (attempt,) = [start for start in self.all("test_case_started") if start.test_case_id == case.id]
        hooks = {hook.id: hook.name for hook in self.all("hook")}
        texts = {step.id: step.text for step in pickle.steps}
        names = {
            step.id: hooks[step.hook_id] if step.hook_id else texts[step.pickle_step_id]
            for step in case.test_steps
        }
        return [
            (names[finished.test_step_id], finished.test_step_result.status.value)
            for finished in self.all("test_step_finished")
            if finished.test_case_started_id == attempt.id
        ]

    def told(self) -> list[str]:
        results = [finished.test_step_result for finished in self.all("test_step_finished")]
        return [result.message for result in results if result.message]


def test_a_scenario_that_passed(tmp_path: Path) -> None:
    result = runs.result("Fine", Status.PASSED, "P1.1", steps=(step(Status.PASSED),), seconds=0.7)
    read = Read(of(result), tmp_path)

    assert read.outcomes("Fine") == [("set-up", "PASSED"), ("it is tried", "PASSED"), ("clean-up", "PASSED")]
    (finished,) = read.all("test_run_finished")
    assert finished.success
    (case,) = read.all("test_case_finished")
    ended = runs.WHEN + timedelta(seconds=0.7)
    assert (case.timestamp.seconds, case.timestamp.nanos) == (
        int(ended.timestamp()),
        ended.microsecond * 1000,
    )


def test_a_failed_set_up_is_the_set_ups_failure_and_no_steps(tmp_path: Path) -> None:
    result = runs.result(
        "Bad", Status.FAILED, phase=Phase.SET_UP, steps=(step(Status.NOT_RUN),), failure="no key\nat all"
    )
    read = Read(of(result), tmp_path)

    assert read.outcomes("Bad") == [("set-up", "FAILED"), ("it is tried", "SKIPPED"), ("clean-up", "PASSED")]
    assert read.told() == ["no key\nat all"]


def test_a_failed_step_has_the_failure_and_its_attachments_and_later_ones_are_skipped(tmp_path: Path) -> None:
    result = runs.result(
        "Bad",
        Status.FAILED,
        phase=Phase.STEPS,
        steps=(step(Status.PASSED, "a"), step(Status.FAILED, "b"), step(Status.NOT_RUN, "c")),
        attachments=(Attachment(title="Pod mita", text="its state"),),
    )
    read = Read(of(result), tmp_path)

    assert [status for _, status in read.outcomes("Bad")] == [
        "PASSED",
        "PASSED",
        "FAILED",
        "SKIPPED",
        "PASSED",
    ]
    (attachment,) = read.all("attachment")
    assert (attachment.body, attachment.file_name) == ("its state", "Pod mita")
    (failed,) = [
        finished
        for finished in read.all("test_step_finished")
        if finished.test_step_result.status.value == "FAILED"
    ]
    assert attachment.test_step_id == failed.test_step_id


@pytest.mark.parametrize("before", [Phase.CLEAN_UP, Phase.STEPS])
def test_a_failed_clean_up_shows_whether_or_not_a_step_failed_before(tmp_path: Path, before: Phase) -> None:
    ended = Status.FAILED if before is Phase.STEPS else Status.PASSED
    also = (Phase.CLEAN_UP,) if before is Phase.STEPS else ()
    result = runs.result(
        "Bad", Status.FAILED, phase=before, also_failed=also, steps=(step(ended),), failure="a key is left"
    )
    read = Read(of(result), tmp_path)

    assert read.outcomes("Bad") == [
        ("set-up", "PASSED"),
        ("it is tried", ended.value.upper()),
        ("clean-up", "FAILED"),
    ]
    assert "a key is left" in read.told()


@pytest.mark.parametrize("status", [Status.NOT_EXERCISED, Status.SKIPPED])
def test_what_was_left_out_says_why(tmp_path: Path, status: Status) -> None:
    result = runs.result("Left", status, reason="It has no magic.", steps=(step(Status.NOT_RUN),))
    read = Read(of(result), tmp_path)

    assert read.outcomes("Left")[:2] == [("set-up", "SKIPPED"), ("it is tried", "SKIPPED")]
    assert set(read.told()) == {f"{status}: It has no magic."}


def test_a_skip_within_the_steps_is_the_steps(tmp_path: Path) -> None:
    steps = (step(Status.PASSED, "a"), step(Status.SKIPPED, "b"), step(Status.NOT_RUN, "c"))
    read = Read(of(runs.result("Left", Status.SKIPPED, steps=steps)), tmp_path)

    assert [status for _, status in read.outcomes("Left")] == [
        "PASSED",
        "PASSED",
        "SKIPPED",
        "SKIPPED",
        "PASSED",
    ]


def test_a_scenario_that_never_ran_has_a_pickle_and_fails_the_run(tmp_path: Path) -> None:
    run = runs.run(features=(runs.feature(runs.catalogued("Vanished", "P1.1")),))
    read = Read(run, tmp_path)

    assert [pickle.name for pickle in read.all("pickle")] == ["Vanished"]
    assert not read.all("test_case")
    (finished,) = read.all("test_run_finished")
    assert not finished.success
    assert "1 scenario did not run." in finished.message


def test_a_run_that_was_cut_short_has_no_end(tmp_path: Path) -> None:
    steps = (step(Status.PASSED, "a"), step(Status.NOT_RUN, "b"))
    result = runs.result("Cut", Status.NOT_RUN, steps=steps)
    read = Read(of(result, finished=None), tmp_path)

    assert read.outcomes("Cut") == [("set-up", "PASSED"), ("a", "PASSED")]
    assert not read.all("test_case_finished")
    assert not read.all("test_run_finished")


def test_a_problem_outside_any_scenario_shows_in_the_runs_end(tmp_path: Path) -> None:
    read = Read(of(runs.result("Fine", Status.PASSED), problems=("The run was interrupted.",)), tmp_path)

    (finished,) = read.all("test_run_finished")
    assert not finished.success
    assert "The run was interrupted." in finished.message


def test_every_scenario_and_example_of_the_projects_own_features_has_one_pickle(tmp_path: Path) -> None:
    features = read_features(_FEATURES)
    read = Read(runs.run(features=features), tmp_path)

    expected = [
        (feature.file, scenario.title, tuple(step.text for step in scenario.steps_of(example)))
        for feature in features
        for scenario in feature.scenarios
        for example in scenario.instances()
    ]
    seen = [
        (pickle.uri, pickle.name, tuple(step.text for step in pickle.steps)) for pickle in read.all("pickle")
    ]
    assert seen == expected
    identifiers = [pickle.ast_node_ids[-1] for pickle in read.all("pickle")]
    assert len(set(identifiers)) == len(identifiers), "two pickles of one example"


def test_the_same_results_give_the_same_messages() -> None:
    run = of(runs.result("Fine", Status.PASSED, steps=(step(Status.PASSED),)))

    assert list(messages(run)) == list(messages(run))


def test_a_result_that_no_feature_accounts_for_shows(tmp_path: Path) -> None:
    stray = runs.result("Stray", Status.FAILED, phase=Phase.STEPS, steps=(step(Status.FAILED),))
    read = Read(runs.run(stray), tmp_path)

    assert ("it is tried", "FAILED") in read.outcomes("Stray")
    assert (tmp_path / MESSAGES_FILE).stat().st_mode & 0o077 == 0
