"""The session of the features, with an environment that is only made up."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
OPTIONS = (ROOT / "conftest.py").read_text(encoding="utf-8")
# What features/conftest.py does, for one feature and an environment that takes notes.
CONFTEST = """
import os
from pathlib import Path

import pytest
from pytest_bdd import given, scenarios, then, when, parsers

from deployer.errors import NotReadyError
from environments.protocol import Capability
from environments.searchable import Lawful, Searchable
from evidence.catalogue import read_features
from evidence.recorder import NOT_EXERCISED, Recorder
from features.tags import needed_capabilities
from steps import session as features_session
from steps.session import SESSION, FeatureSession

HERE = Path(__file__).parent
NOTES = HERE.parent / "notes"


def note(text):
    with NOTES.open("a") as file:
        file.write(text + "\\n")


class MadeUp:
    name = "made-up"
    capabilities = frozenset({Capability.CHANGES_ALLOWED})

    def start(self, progress):
        note("start")
        if (HERE / "broken").exists():
            raise NotReadyError("etcd", expected="it to start", seen="nothing", remedy="Look.")

    def stop(self):
        note("stop")

    def searchable(self):
        note("search")
        place = HERE.parent / "state"
        place.mkdir(exist_ok=True)
        (place / "access.json").write_text("s3cr3t-value")
        return Searchable(place, os.getpid(), (Lawful("access.json", "it has to"),))

    def collect(self, into):
        note("collect")
        into.mkdir()
        (into / "log").write_text("the value is s3cr3t-value, so it is\\n")


class FakeSession(FeatureSession):
    def _prepare(self):
        self.environment.start(self._progress)
        self.recorder.redactor.register("the password", "s3cr3t-value")
        self._system = self  # nobody here asks it for anything

    def _strangers(self, system):
        if (HERE / "unsearchable").exists():
            raise OSError
        return ["mallory read it"] if (HERE / "stranger").exists() else []

    def _know_secrets(self, system):
        pass


def pytest_configure(config):
    recorder = Recorder(
        directory=HERE.parent / "report", environment="made-up", features=read_features(HERE), criteria=(),
        capabilities=MadeUp.capabilities, features_directory=HERE,
    )
    config.addinivalue_line("markers", "needs-changes-allowed: x")
    config.addinivalue_line("markers", "needs-grafana: x")
    made = FakeSession(config, MadeUp(), recorder, features=HERE, needed=needed_capabilities)
    config.stash[SESSION] = made
    config.pluginmanager.register(recorder, "recorder")
    config.pluginmanager.register(made, "feature-session")
    config.pluginmanager.register(features_session, "steps.session")


def pytest_runtest_setup(item):
    lacking = item.config.stash[SESSION].lacking(item)
    if lacking:
        item.stash[NOT_EXERCISED] = "made-up lacks " + ", ".join(lacking)
        pytest.skip("lacking")
"""
FEATURE = """
Feature: One
  @needs-changes-allowed
  Scenario: Something
    When it is tried
    Then it works

  @needs-grafana
  Scenario: Something that needs more
    When it is tried
    Then it works
"""
STEPS = """
from pytest_bdd import scenarios, then, when
from tests_notes import note

scenarios(".")

@when("it is tried")
def _tried(environment, redactor, report_directory):
    assert environment.name == "made-up"

@then("it works")
def _works():
    assert WORKS
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.syspath_prepend(str(ROOT))
    features, tests = pytester.mkdir("features"), pytester.mkdir("tests")
    pytester.makeconftest(OPTIONS)
    (features / "conftest.py").write_text(CONFTEST)
    (features / "one.feature").write_text(FEATURE)
    (features / "test_features.py").write_text(STEPS.replace("from tests_notes import note\n", ""))
    (tests / "test_other.py").write_text("def test_other():\n    pass\n")
    return pytester


def _run(project: pytest.Pytester, *arguments: str, works: bool = True) -> tuple[pytest.RunResult, list[str]]:
    steps = project.path / "features" / "test_features.py"
    steps.write_text(steps.read_text() + f"\nWORKS = {works}\n")
    done = project.runpytest_subprocess(*arguments, "-p", "no:cacheprovider")
    notes = project.path / "notes"
    return done, notes.read_text().split() if notes.exists() else []


def test_the_first_scenario_that_can_run_starts_the_environment_and_the_end_stops_it(
    project: pytest.Pytester,
) -> None:
    done, notes = _run(project, "features")

    done.assert_outcomes(passed=1, skipped=1)
    assert notes == ["start", "search", "stop"]
    done.stdout.fnmatch_lines(["*1 scenario cannot be exercised in made-up.*"])


def test_other_tests_start_nothing_and_write_no_report(project: pytest.Pytester) -> None:
    done, notes = _run(project, "tests")

    done.assert_outcomes(passed=1)
    assert "start" not in notes
    assert not (project.path / "report").exists()


def test_scenarios_that_cannot_be_exercised_start_nothing(project: pytest.Pytester) -> None:
    done, notes = _run(project, "features", "-m", "needs-grafana")

    done.assert_outcomes(skipped=1, deselected=1)
    assert "start" not in notes


def test_an_environment_that_does_not_start_ends_the_run_with_its_own_words(project: pytest.Pytester) -> None:
    (project.path / "features" / "broken").touch()

    done, notes = _run(project, "features")

    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["*No scenario could run: etcd: expected it to start; seen nothing. Look.*"])
    assert notes == ["start", "stop"]


def test_a_failure_collects_logs_without_the_values_that_they_showed(project: pytest.Pytester) -> None:
    done, notes = _run(project, "features", works=False)

    assert notes == ["start", "collect", "search", "stop"]
    assert (project.path / "report/environment/log").read_text() == "the value is [the password], so it is\n"
    done.stdout.fnmatch_lines(["*The value of the password was found in the environment's log.*"])


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("stranger", "*Somebody read a secret who is not meant to: mallory read it.*"),
        ("unsearchable", "*The audit trails could not be searched: OSError.*"),
    ],
)
def test_a_run_in_which_a_stranger_may_have_read_a_secret_fails(
    project: pytest.Pytester, planted: str, told: str
) -> None:
    (project.path / "features" / planted).touch()

    done, notes = _run(project, "features")

    done.assert_outcomes(passed=1, skipped=1)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines([told])
    assert notes == ["start", "search", "stop"]


def test_a_value_that_the_environment_wrote_fails_the_run(project: pytest.Pytester) -> None:
    state = project.path / "state"
    state.mkdir()
    (state / "audit.log").write_text("GET /\nthe value is s3cr3t-value\n")

    done, _ = _run(project, "features")

    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        ["*The value of the password was found in the environment's audit.log, line 2.*"]
    )
