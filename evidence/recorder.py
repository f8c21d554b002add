"""pytest plugin that records every scenario, however it ends.

It sees what pytest-bdd's own reports lose: scenarios whose set-up failed, that were left
out, or that an interruption cut short.
"""

from __future__ import annotations

import itertools
import logging
import shlex
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_bdd.scenario import scenario_wrapper_template_registry

from deployer.errors import MitaError
from evidence.assessment import Assessment, Verdict, assess
from evidence.catalogue import CataloguedFeature
from evidence.criteria import Criterion
from evidence.events import Entry
from evidence.findings import Finding, Hold
from evidence.forms import write_forms
from evidence.history import surrounded
from evidence.leak_search import search_files
from evidence.manifest import seal
from evidence.model import Attachment, DeploymentSummary, Phase, Run, ScenarioResult, Status, save_run
from evidence.observation import Observation, Observed
from evidence.redaction import Redactor, redact_strings
from evidence.report import caption
from evidence.scenario_log import ScenarioLog, vanished
from evidence.surroundings import Panel
from evidence.timeline import Timeline

JUNIT_FILE = "junit.xml"
NOT_EXERCISED = pytest.StashKey[str]()
"""On an item: why the environment cannot show it.  Its skip is then no gap in the run."""


_PHASES: dict[str | None, Phase] = {"setup": Phase.SET_UP, "call": Phase.STEPS, "teardown": Phase.CLEAN_UP}
_log = logging.getLogger(__name__)


class Recorder:
    """Records a pytest session's scenarios into a report directory.

    The results are written after every scenario, so that a run that is killed leaves
    what it had; the report is made from them at the end.

    Attributes:
        directory: The report directory.
        redactor: Knows the values that must not be written.
        collectors: Asked for evidence when a scenario fails.
        versions: What ran, by name; filled by whoever knows.
        deployment: What was deployed before the features ran.
        scope: The tag of the scenarios that are asked for; empty for all.
        dashboard: The dashboard as it was at the end; filled by whoever can ask.
        memory_bytes: What the environment held then; filled likewise.
        observation: Keeps the run's timeline and the checks that are made of it.
        assessment: The judgement, once the session has ended.
    """

    def __init__(
        self,
        *,
        directory: Path,
        environment: str,
        capabilities: Iterable[str],
        features: Iterable[CataloguedFeature],
        criteria: Iterable[Criterion],
        features_directory: Path,
    ) -> None:
        self.directory = directory
        self.redactor = Redactor()
        self.collectors: list[Callable[[pytest.Item], Iterable[Attachment]]] = []
        self.versions: dict[str, str] = {}
        self.deployment: DeploymentSummary | None = None
        self.dashboard: tuple[Panel, ...] = ()
        self.memory_bytes: int | None = None
        self.scope = ""
        self.observation = Observation(directory, self.redactor.redact)
        self.assessment: Assessment | None = None
        self._features_directory = features_directory
        self._run = Run(
            environment=environment,
            capabilities=tuple(sorted(map(str, capabilities))),
            started=datetime.now(UTC),
            features=tuple(features),
            criteria=tuple(criteria),
        )
        self._scenarios = {
            (feature.file, scenario.title): scenario
            for feature in self._run.features
            for scenario in feature.scenarios
        }
        self._logs: dict[str, ScenarioLog] = {}
        self._results: list[ScenarioResult] = []
        self._problems: list[str] = []
        self._selection = ""

    def problem(self, text: str) -> None:
        """Note something wrong outside any scenario; the run then fails."""
        self._problems.append(self.redactor.redact(text))

    @property
    def started(self) -> datetime:
        """When the run began."""
        return self._run.started

    @property
    def results(self) -> tuple[ScenarioResult, ...]:
        """The scenarios that have ended, in their order."""
        return tuple(self._results)

    # ---- what steps ask for

    @pytest.fixture(name="observation")
    def _observation(self) -> Observation:
        """The run's timeline and its checks."""
        return self.observation

    @pytest.fixture(name="timeline")
    def _timeline(self) -> Timeline:
        """The run's timeline, to append to."""
        return self.observation.timeline

    @pytest.fixture(name="scenario")
    def _scenario(self, request: pytest.FixtureRequest) -> str:
        """What the report calls the scenario."""
        log = self._logs.get(request.node.nodeid)
        return caption(log.result()) if log is not None else ""

    @pytest.fixture(name="hold")
    def _hold(self, scenario: str) -> Hold:
        """Keeps the result of a check for the report, and fails the scenario with its findings."""

        def hold(title: str, history: Sequence[Entry], *findings: Iterable[Finding]) -> None:
            found = itertools.chain.from_iterable(findings)
            made = self.observation.check(title, history, found, scenario=scenario)
            if made.findings:
                raise AssertionError("\n".join([f"{title}:", *(each.text for each in made.findings)]))

        return hold

    # ---- the course of a scenario

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin a scenario."""
        if log := self._logs.get(nodeid):
            log.begin(datetime.now(UTC))

    def pytest_bdd_before_step(self, request: pytest.FixtureRequest) -> None:
        """Begin a step."""
        if log := self._logs.get(request.node.nodeid):
            log.begin_step()

    def pytest_bdd_after_step(self, request: pytest.FixtureRequest) -> None:
        """End a step that passed."""
        if log := self._logs.get(request.node.nodeid):
            log.end_step(Status.PASSED)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record a phase, collect evidence of its failure, and keep secrets out of pytest's own reports."""
        report = yield
        log = self._logs.get(item.nodeid)
        if log is not None:
            log.seconds += report.duration
            if report.when == "setup":
                log.set_up_seconds = report.duration
            if report.failed:
                attachments = [*self._collect(item)]
                log.fail(_PHASES[report.when], _reason(call), report.longreprtext, attachments)
                report.sections += [(attachment.title, attachment.text) for attachment in attachments]
            elif report.skipped:
                log.skip(item.stash.get(NOT_EXERCISED, None), _skip_reason(report))
        self._redact(report)
        return report

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """End a scenario and write what there is."""
        if log := self._logs.pop(nodeid, None):
            self._results.append(self._redacted(log.result()))
            self._save()

    def _collect(self, item: pytest.Item) -> Iterable[Attachment]:
        for collector in self.collectors:
            try:
                yield from collector(item)
            except Exception as error:  # noqa: BLE001  evidence that cannot be had must not hide the failure that it is about
                _log.warning("evidence of a failure could not be collected", exc_info=error)
                yield Attachment(title="Evidence that could not be collected", text=repr(error))

    # ---- the course of the session

    @pytest.hookimpl(tryfirst=True)  # before anything is deselected
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Know the scenarios that may run, and those that should have been among them."""
        for item in items:
            if (log := self._log_of(item)) is not None:
                self._logs[item.nodeid] = log
        if not any("::" in argument for argument in config.args):  # named one by one, not all are asked for
            for file, title, example in vanished(self._run.features, self._logs.values()):
                row = f" ({', '.join(cell for _, cell in example)})" if example else ""
                self.problem(f'pytest did not find the scenario "{title}"{row} of {file}.')

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Know the scenarios that nobody asked for."""
        for item in items:
            self._logs.pop(item.nodeid, None)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Take note of how the scenarios were chosen."""
        expected = sum(1 for feature in self._run.features for s in feature.scenarios for _ in s.instances())
        if len(self._logs) < expected:
            self._selection = shlex.join(map(str, session.config.invocation_params.args))
        self._save()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take note of a file that could not be collected."""
        if report.failed:
            self.problem(f"{report.nodeid} could not be collected: {_last_line(report.longreprtext)}")

    def pytest_internalerror(self, excrepr: object) -> None:
        """Take note of an error in pytest or a plugin."""
        self.problem(f"The test run broke: {_last_line(str(excrepr))}")

    def pytest_keyboard_interrupt(self) -> None:
        """Take note of an interruption."""
        self.problem("The run was interrupted.")

    @pytest.hookimpl(trylast=True)  # after the JUnit report is written, so that it is searched too
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write results and report, search them for secret values, and seal what is there."""
        for log in self._logs.values():
            if log.started is not None:
                self._results.append(self._redacted(log.interrupted()))
        self._finish()
        found = search_files(self.redactor, self.directory).problems
        for sentence in found:
            self.problem(sentence)
        if found:
            self._finish()
        seal(self.directory)
        failed = self.assessment is not None and self.assessment.verdict is Verdict.FAILED
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what came of it and where the report lies."""
        if self.assessment is not None:
            terminalreporter.section("acceptance report")
            terminalreporter.line(f"Verdict: {self.assessment.verdict}")
            for reason in (*self.assessment.reasons, *self.assessment.remarks):
                terminalreporter.line(f"  {reason}")
            terminalreporter.line(f"Report: {self.directory / 'report.html'}")

    def _finish(self) -> None:
        run = self._save(finished=datetime.now(UTC), observed=self._observed())
        run = surrounded(run, self.directory, root=self._features_directory.parent)
        save_run(run, self.directory)
        self.assessment = assess(run)
        write_forms(run, self.directory)

    def _observed(self) -> Observed:
        try:
            return self.observation.observed()
        except MitaError as error:
            self.problem(f"The run's history cannot be used: {error}")
            return Observed(checks=self.observation.checks)

    def _save(self, *, finished: datetime | None = None, observed: Observed | None = None) -> Run:
        run = self._run.model_copy(
            update={
                "finished": finished,
                "selection": self.redactor.redact(self._selection),
                "scope": self.scope,
                "problems": tuple(self._problems),
                "versions": dict(self.versions),
                "deployment": self.deployment,
                "dashboard": self.dashboard,
                "memory_bytes": self.memory_bytes,
                "scenarios": self.results,
                "observed": observed or Observed(checks=self.observation.checks),
            }
        )
        save_run(run, self.directory)
        return run

    def _log_of(self, item: pytest.Item) -> ScenarioLog | None:
        function = getattr(item, "function", None)
        template = scenario_wrapper_template_registry.get(function) if function is not None else None
        if template is None or not Path(template.feature.filename).is_relative_to(self._features_directory):
            return None
        file = Path(template.feature.filename).relative_to(self._features_directory).as_posix()
        callspec = getattr(item, "callspec", None)
        example = dict(callspec.params.get("_pytest_bdd_example", {})) if callspec is not None else {}
        scenario = self._scenarios[file, template.name].needing(mark.name for mark in item.iter_markers())
        return ScenarioLog(file, scenario, example)

    def _redacted(self, result: ScenarioResult) -> ScenarioResult:
        return ScenarioResult.model_validate(redact_strings(result.model_dump(), self.redactor.redact))

    def _redact(self, report: pytest.TestReport) -> None:
        """Replace what shows a secret value in what pytest prints and writes."""
        if self.redactor.find(report.longreprtext):
            report.longrepr = self.redactor.redact(report.longreprtext)
        report.sections = [(title, self.redactor.redact(text)) for title, text in report.sections]


def _reason(call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return "It failed without an exception."
    text = str(call.excinfo.value).strip()
    return text.splitlines()[0] if text else call.excinfo.typename


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return report.longreprtext


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"
