from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evidence.assessment import Verdict, assess
from evidence.manifest import load_manifest, verify
from evidence.model import Phase, Run, ScenarioResult, Status, load_run

pytest_plugins = ["pytester"]

CONFTEST = """
from pathlib import Path

import pytest

from evidence.catalogue import read_features
from evidence.criteria import load_criteria
from evidence.model import Attachment
from evidence.recorder import NOT_EXERCISED, Recorder


def pytest_configure(config):
    here = Path(__file__).parent
    recorder = Recorder(
        directory=here / "report",
        environment="made-up",
        features=read_features(here),
        criteria=load_criteria(here / "criteria.toml"),
        capabilities={"rotation", "monitoring"},
        features_directory=here,
    )
    recorder.redactor.register("the password", "s3cr3t-value")
    recorder.versions["Python"] = "3"
    recorder.collectors.append(collect)
    config.option.xmlpath = config.option.xmlpath or str(here / "report" / "junit.xml")
    config.pluginmanager.register(recorder, "recorder")


def collect(item):
    yield Attachment(title="Pod mita", text="its state, s3cr3t-value and all")
    if item.name == "test_no_evidence":
        raise RuntimeError("the cluster is gone")


def pytest_runtest_setup(item):
    if item.get_closest_marker("needs-magic"):
        item.stash[NOT_EXERCISED] = "made-up has no magic"
        pytest.skip("no magic")
"""

BINDINGS = """
import pytest
from pytest_bdd import given, scenarios, then, when, parsers

from evidence.checkers import steady_around_faults, steady_clock
from evidence.events import FaultHealed, FaultInjected, SteadyStateProbe

scenarios("one.feature")


@pytest.fixture
def broken():
    raise RuntimeError("no environment")


@pytest.fixture
def untidy():
    yield
    raise RuntimeError("left a key behind")


@given("a system")
@when("it is tried")
def _():
    pass


@then("it holds")
def _(): pass


@then("it does not hold")
def _():
    password = "s3cr3t-value"
    print("printed", password)
    assert password == "open"


@given("a broken system")
def _(broken): pass


@given("an untidy system")
def _(untidy): pass


@then("it is left out")
def _():
    pytest.skip("not today")


@then(parsers.parse('"{key}" is good'))
def _(key):
    assert key != "bad", f"{key} is not good"


@when("a fault comes and goes")
def _(timeline):
    timeline.append(SteadyStateProbe(what="ready", holds=True))
    timeline.append(FaultInjected(fault="1", what="s3cr3t-value was lost"))
    timeline.append(FaultHealed(fault="1"))


@then("the steady state returns")
def _(hold, observation):
    history = observation.history()
    hold("It returns", history, steady_around_faults(history), steady_clock(history))


@when("it takes long")
def _():
    open("begun", "w").close()
    import time
    time.sleep(60)
"""

CRITERIA = '[[criterion]]\nid = "P1.1"\nsection = "s"\ntext = "t"\nstatus = "required"\n'


def feature(*scenarios: str) -> str:
    return "Feature: One\n  A rule.\n\n" + "\n".join(scenarios)


def lay(pytester: pytest.Pytester, *scenarios: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=BINDINGS)
    # As in the project itself: an unknown tag is an error.
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers\nmarkers =\n  P1.1: a promise\n  needs-magic: magic\n"
    )
    Path(pytester.path, "one.feature").write_text(feature(*scenarios))
    Path(pytester.path, "criteria.toml").write_text(CRITERIA)


def recorded(
    pytester: pytest.Pytester, *scenarios: str, args: tuple[str, ...] = ()
) -> tuple[Run, pytest.RunResult]:
    lay(pytester, *scenarios)
    result = pytester.runpytest("-p", "no:cacheprovider", *args)
    return load_run(pytester.path / "report"), result


def only(run: Run) -> ScenarioResult:
    (scenario,) = run.scenarios
    return scenario


def test_a_scenario_that_passes(pytester: pytest.Pytester) -> None:
    run, result = recorded(
        pytester,
        "@P1.1\nScenario: Fine\nGiven a system\nWhen it is tried\nThen it holds\n| a | b |\n| 1 | 2 |",
    )

    scenario = only(run)
    assert (scenario.file, scenario.title, scenario.tags) == ("one.feature", "Fine", ("P1.1",))
    assert scenario.status is Status.PASSED
    assert [(step.keyword, step.text, step.status) for step in scenario.steps] == [
        ("Given", "a system", Status.PASSED),
        ("When", "it is tried", Status.PASSED),
        ("Then", "it holds", Status.PASSED),
    ]
    assert scenario.steps[2].table == (("a", "b"), ("1", "2"))
    assert all(step.seconds > 0 for step in scenario.steps)
    assert scenario.seconds > sum(step.seconds for step in scenario.steps)
    assert assess(run).verdict is Verdict.PASSED
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["Verdict: passed", "Report: */report/report.html"])
    assert run.selection == ""
    assert run.versions == {"Python": "3"}


def test_a_failing_step_with_its_evidence_and_without_secret_values(pytester: pytest.Pytester) -> None:
    run, result = recorded(
        pytester,
        "Scenario: Bad\nGiven a system\nWhen it is tried\nThen it does not hold\nAnd it holds",
    )

    scenario = only(run)
    assert (scenario.status, scenario.phase) == (Status.FAILED, Phase.STEPS)
    assert [step.status for step in scenario.steps] == [
        Status.PASSED,
        Status.PASSED,
        Status.FAILED,
        Status.NOT_RUN,
    ]
    assert "[the password]" in scenario.reason
    assert "[the password]" in scenario.failure
    assert [(entry.title, entry.text) for entry in scenario.attachments] == [
        ("Pod mita", "its state, [the password] and all")
    ]
    result.stdout.fnmatch_lines(["*Pod mita*", "its state, [[]the password[]] and all"])
    written = [path for path in (pytester.path / "report").rglob("*") if path.is_file()]
    assert {path.name for path in written} == {
        "results.json",
        "report.html",
        "junit.xml",
        "manifest.json",
        "messages.ndjson",
    }
    for path in written:
        assert "s3cr3t" not in path.read_text()
    assert "s3cr3t" not in result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert assess(run).verdict is Verdict.FAILED


def test_a_set_up_that_fails(pytester: pytest.Pytester) -> None:
    run, _ = recorded(pytester, "Scenario: Broken\nGiven a broken system\nThen it holds")

    scenario = only(run)
    assert scenario.status is Status.FAILED
    assert scenario.reason == "no environment"
    assert [step.status for step in scenario.steps] == [Status.FAILED, Status.NOT_RUN]


def test_a_clean_up_that_fails(pytester: pytest.Pytester) -> None:
    run, result = recorded(pytester, "Scenario: Untidy\nGiven an untidy system\nThen it holds")

    scenario = only(run)
    assert (scenario.status, scenario.phase, scenario.reason) == (
        Status.FAILED,
        Phase.CLEAN_UP,
        "left a key behind",
    )
    assert [step.status for step in scenario.steps] == [Status.PASSED, Status.PASSED]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_what_the_environment_lacks_is_no_gap_but_another_skip_is(pytester: pytest.Pytester) -> None:
    run, _ = recorded(
        pytester,
        "Scenario: Fine\nThen it holds",
        "@needs-magic\nScenario: Magic\nGiven a system\nThen it holds",
        "Scenario: Lazy\nGiven a system\nThen it is left out",
    )

    _, magic, lazy = run.scenarios
    assert (magic.status, magic.reason) == (Status.NOT_EXERCISED, "made-up has no magic")
    assert [step.status for step in magic.steps] == [Status.NOT_RUN, Status.NOT_RUN]
    assert (lazy.status, lazy.reason) == (Status.SKIPPED, "not today")
    assert [step.status for step in lazy.steps] == [Status.PASSED, Status.SKIPPED]
    assert assess(run).verdict is Verdict.INCOMPLETE


def test_a_run_keeps_what_its_environment_can_show(pytester: pytest.Pytester) -> None:
    run, _ = recorded(pytester, "Scenario: Fine\nThen it holds")

    assert run.capabilities == ("monitoring", "rotation")


def test_an_example_needs_what_its_own_table_asks_for(pytester: pytest.Pytester) -> None:
    run, _ = recorded(
        pytester,
        '@P1.1\nScenario Outline: Keys\nThen "<key>" is good\n'
        "Examples:\n| key |\n| plain |\n@needs-magic\nExamples:\n| key |\n| magic |",
    )

    assert [(each.example["key"], each.status, each.tags) for each in run.scenarios] == [
        ("plain", Status.PASSED, ("P1.1",)),
        ("magic", Status.NOT_EXERCISED, ("P1.1", "needs-magic")),
    ]


def test_each_example_of_an_outline_is_a_result_of_its_own(pytester: pytest.Pytester) -> None:
    run, _ = recorded(
        pytester,
        'Scenario Outline: Keys\nGiven a system\nThen "<key>" is good\nExamples:\n| key |\n| good |\n| bad |',
    )

    assert [(s.example, s.status, s.steps[1].text) for s in run.scenarios] == [
        ({"key": "good"}, Status.PASSED, '"good" is good'),
        ({"key": "bad"}, Status.FAILED, '"bad" is good'),
    ]
    assert run.scenarios[1].reason.startswith("bad is not good")
    assert len(assess(run).scenarios) == 2


def test_a_step_without_definition_fails(pytester: pytest.Pytester) -> None:
    run, _ = recorded(pytester, "Scenario: Undefined\nGiven a system\nThen nobody knows")

    assert only(run).status is Status.FAILED
    assert [step.status for step in only(run).steps] == [Status.PASSED, Status.FAILED]


def test_scenarios_that_nobody_asked_for_show_as_not_run(pytester: pytest.Pytester) -> None:
    run, result = recorded(
        pytester, "Scenario: Fine\nThen it holds", "Scenario: Other\nThen it holds", args=("-k", "fine")
    )

    assert only(run).title == "Fine"
    assessment = assess(run)
    assert [scenario.status for scenario in assessment.scenarios] == [Status.PASSED, Status.NOT_RUN]
    assert assessment.verdict is Verdict.INCOMPLETE
    assert "-k fine" in run.selection
    result.stdout.fnmatch_lines(["Verdict: incomplete"])


def test_bindings_that_cannot_be_imported_fail_the_run(pytester: pytest.Pytester) -> None:
    lay(pytester, "Scenario: Fine\nThen it holds")
    pytester.makepyfile(test_it="import nowhere")

    result = pytester.runpytest()

    run = load_run(pytester.path / "report")
    assert "test_it.py could not be collected" in run.problems[0]
    assert assess(run).verdict is Verdict.FAILED
    assert result.ret != pytest.ExitCode.OK


def test_evidence_that_cannot_be_had_does_not_hide_the_failure(pytester: pytest.Pytester) -> None:
    run, _ = recorded(pytester, "Scenario: No evidence\nThen it does not hold")

    assert only(run).status is Status.FAILED
    assert [entry.title for entry in only(run).attachments] == [
        "Pod mita",
        "Evidence that could not be collected",
    ]


def test_a_value_that_reaches_the_report_directory_fails_the_run(pytester: pytest.Pytester) -> None:
    lay(pytester, "Scenario: Fine\nThen it holds")
    pytester.makepyfile(
        test_it=BINDINGS.replace(
            "def _(): pass", "def _(): open('report/x.log', 'w').write('s3cr3t-value')", 1
        )
    )

    result = pytester.runpytest()

    run = load_run(pytester.path / "report")
    assert run.problems == ("The value of the password was found in x.log, line 1.",)
    assert assess(run).verdict is Verdict.FAILED
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_finding_of_a_step_fails_its_scenario_and_is_in_the_verdict(
    pytester: pytest.Pytester,
) -> None:
    run, result = recorded(
        pytester, "Scenario: Fault\nWhen a fault comes and goes\nThen the steady state returns"
    )

    check, healing = run.observed.checks
    assert (check.title, check.scenario, check.entries) == ("It returns", "Fault", 3)
    text = "Nobody asked whether it holds after [the password] was lost: ready."
    assert [finding.text for finding in check.findings] == [text]
    assert (healing.title, healing.findings) == ("Every fault is healed", ())
    assert text in only(run).failure
    assert only(run).status is Status.FAILED
    assert assess(run).reasons[0] == f"It returns: {text}"
    assert "s3cr3t" not in (pytester.path / "report" / "timeline.jsonl").read_text()
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_finding_of_the_whole_run_fails_it_though_every_scenario_passed(pytester: pytest.Pytester) -> None:
    lay(pytester, "Scenario: Fault\nWhen a fault comes and goes\nThen it holds")
    pytester.makepyfile(test_it=BINDINGS.replace('timeline.append(FaultHealed(fault="1"))', ""))

    result = pytester.runpytest()

    run = load_run(pytester.path / "report")
    assert only(run).status is Status.PASSED
    assert assess(run).reasons[0] == "Every fault is healed: [the password] was lost was never healed."
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_history_that_cannot_be_read_fails_the_run(pytester: pytest.Pytester) -> None:
    lay(pytester, "Scenario: Fine\nThen it holds")
    (pytester.path / "report").mkdir()
    (pytester.path / "report" / "timeline.jsonl").write_text("{}\n")

    pytester.runpytest()

    (problem,) = load_run(pytester.path / "report").problems
    assert "timeline.jsonl, line 1" in problem


def test_an_interrupted_run_reports_what_it_had(pytester: pytest.Pytester) -> None:
    process = begin(pytester)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == pytest.ExitCode.INTERRUPTED

    run = load_run(pytester.path / "report")
    assert [(scenario.title, scenario.status) for scenario in run.scenarios] == [
        ("Fine", Status.PASSED),
        ("Long", Status.NOT_RUN),
    ]
    assert [step.status for step in run.scenarios[1].steps] == [Status.PASSED, Status.NOT_RUN, Status.NOT_RUN]
    assert run.problems == ("The run was interrupted.",)
    assert [scenario.status for scenario in assess(run).scenarios] == [
        Status.PASSED,
        Status.NOT_RUN,
        Status.NOT_RUN,
    ]
    assert (pytester.path / "report" / "report.html").exists()


def test_a_killed_run_leaves_the_results_that_it_had(pytester: pytest.Pytester) -> None:
    process = begin(pytester)
    process.kill()
    process.wait(timeout=30)

    run = load_run(pytester.path / "report")
    assert only(run).title == "Fine"
    assert run.finished is None
    assert assess(run).verdict is Verdict.INCOMPLETE


def begin(pytester: pytest.Pytester) -> subprocess.Popen[bytes]:
    """Start a run and return when its second scenario is in the middle of a step."""
    lay(
        pytester,
        "Scenario: Fine\nThen it holds",
        "Scenario: Long\nGiven a system\nWhen it takes long\nThen it holds",
        "Scenario: Next\nThen it holds",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q"], cwd=pytester.path, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not (pytester.path / "begun").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_the_report_directory_is_sealed_after_everything_in_it_is_written(pytester: pytest.Pytester) -> None:
    recorded(pytester, "@P1.1\nScenario: Fine\nGiven a system")

    report = pytester.path / "report"
    assert not verify(report)
    assert {entry.name for entry in load_manifest(report).files} >= {
        "results.json",
        "report.html",
        "junit.xml",
    }


@pytest.mark.parametrize("args", [(), ("-k", "fine")])
def test_a_scenario_that_pytest_does_not_find_fails_the_run(
    pytester: pytest.Pytester, args: tuple[str, ...]
) -> None:
    Path(pytester.path, "two.feature").write_text("Feature: Two\n\nScenario: Lost\nGiven a system")

    run, result = recorded(pytester, "@P1.1\nScenario: Fine\nGiven a system", args=args)

    assert run.problems == ('pytest did not find the scenario "Lost" of two.feature.',)
    assert assess(run).verdict is Verdict.FAILED
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_scenario_asked_for_by_name_is_not_all_that_there_is(pytester: pytest.Pytester) -> None:
    scenarios = ("Scenario: Fine\nGiven a system", "Scenario: Other\nGiven a system")

    run, _ = recorded(pytester, *scenarios, args=("test_it.py::test_fine",))

    assert run.problems == ()


def test_a_second_failure_does_not_hide_behind_the_first(pytester: pytest.Pytester) -> None:
    run, _ = recorded(pytester, "Scenario: Bad\nGiven an untidy system\nThen it does not hold")

    scenario = only(run)
    assert (scenario.phase, scenario.also_failed) == (Phase.STEPS, (Phase.CLEAN_UP,))
    assert 0 < scenario.set_up_seconds <= scenario.seconds
