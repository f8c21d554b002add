"""pytest plugin of the features: one environment, started and deployed when the first scenario needs it."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import SecretStr

from deployer.cluster import name_of
from deployer.desired import read
from deployer.errors import MitaError
from deployer.failures import explained
from deployer.helm import Helm
from deployer.progress import Step
from deployer.value_forms import is_placeholder
from environments.guard import ReadOnlyEnvironment
from environments.protocol import Capability, Environment, MemoryReader
from environments.registry import read_only
from environments.searchable import SearchableEnvironment
from evidence.leak_search import Search, search_files, search_processes
from evidence.model import Attachment, DeploymentSummary
from evidence.recorder import Recorder
from evidence.redaction import SHORTEST, Redactor
from faults.leftovers import leftovers_of
from steps.audit import strangers
from steps.dashboard import panels
from steps.deploying import (
    COLLECTED,
    DEPLOYMENT_FILE,
    deploy,
    may_be_deployed,
    receipts_directory,
    runs_without_us,
)
from steps.focus import Focus, describe
from steps.smoke import TAG, SmokeWatch, asks_for_smoke
from steps.system import Candidate, System

_DISTRIBUTION = "mita-secret-acceptance"
_PROGRESS_SECONDS = 10.0  # between two lines about what only advances


class FeatureSession:
    """Keeps the environment of one pytest session, and the system that is deployed in it.

    Args:
        config: pytest's.
        environment: Where the features run; not started yet.
        recorder: Records what comes of it.
        features: Directory of the feature files.
        needed: Returns the capabilities that tags ask for.
    """

    def __init__(
        self,
        config: pytest.Config,
        environment: Environment,
        recorder: Recorder,
        *,
        features: Path,
        needed: Callable[[Iterable[str]], frozenset[Capability]],
    ) -> None:
        self.environment = environment
        self.recorder = recorder
        self._config = config
        self._features = features
        self._needed = needed
        self._system: System | None = None
        self._smoke = False
        self._watch: SmokeWatch | None = None
        self._ends: list[Callable[[], None]] = []
        self._began = time.monotonic()
        self._told: dict[str, float] = {}
        recorder.collectors += [self._objects_in_focus, self._logs]

    @property
    def system(self) -> System:
        """The deployed system; it is there as soon as a scenario runs."""
        assert self._system is not None, "only scenarios below features/ have an environment"
        return self._system

    def lacking(self, item: pytest.Item) -> frozenset[Capability]:
        """Return the capabilities that a scenario asks for by its tags and that the environment lacks."""
        return self._needed(mark.name for mark in item.iter_markers()) - self.environment.capabilities

    def _can_run(self, item: pytest.Item) -> bool:
        return not self.lacking(item) and not self.may_not_run(item)

    def may_not_run(self, item: pytest.Item) -> bool:
        """Tell whether a scenario might change something where things are only read."""
        return isinstance(self.environment, ReadOnlyEnvironment) and item.get_closest_marker(TAG) is None

    # ---- the environment's life

    @pytest.hookimpl(trylast=True)  # when what nobody asked for is gone
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Find out whether this is a run that only reads."""
        ours = [item for item in items if item.path.is_relative_to(self._features)]
        self._smoke = asks_for_smoke(self._config.option.markexpr, ours)
        self.recorder.scope = TAG if self._smoke else ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Start and deploy before the first scenario that needs it, outside of the scenario's own time."""
        if self._system is None and item.path.is_relative_to(self._features) and self._can_run(item):
            try:
                with explained(f"environment {self.environment.name}"):
                    self._prepare()
            except MitaError as error:
                self.recorder.problem(f"No scenario could run: {error}")
                pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)
        result = yield
        if self._watch is not None and self._watch.ended:
            item.session.shouldstop = self._watch.ended  # what has been shown so far is kept
        return result

    def _prepare(self) -> None:
        desired = read()
        self.environment.start(self._progress)
        if may_be_deployed(self.environment):
            self._heal_leftovers()
        # A run that only reads mends nothing either, unless the environment is its own.
        if may_be_deployed(self.environment) and not (self._smoke and runs_without_us(self.environment)):
            deployed = deploy(self.environment, desired, progress=self._progress, on_secret=self._on_secret)
            self.recorder.deployment = _deployed_before(self.recorder.directory) or deployed
        reader = self._only_read() if self._smoke else self.environment
        candidate = Candidate(reader.connections(), desired, supplied={})
        system = System(reader, candidate, receipts=receipts_directory(reader), on_secret=self._on_secret)
        self._know_secrets(system)
        if isinstance(reader, ReadOnlyEnvironment):
            self._watch = SmokeWatch(reader, self.recorder)
            self._watch.begin(system)
        self.recorder.versions |= _versions(system)
        self._system = system

    def _heal_leftovers(self) -> None:
        """Heal the faults that a killed run left."""
        leftovers = leftovers_of(receipts_directory(self.environment))
        for what in leftovers.heal(self.environment.connections()):
            self._progress(Step(f"fault of an earlier run: {what}", "done", "healed"))

    def _only_read(self) -> ReadOnlyEnvironment:
        reader = read_only(self.environment)
        if reader is not self.environment:
            reader.start(self._progress)
            self._ends.append(reader.stop)
        return reader

    def pytest_sessionfinish(self) -> None:
        """See who read secrets, where values show and what a reading run changed; stop what was started."""
        system, self._system = self._system, None
        if system is not None:
            if self._watch is not None:
                self._watch.end(system)
            try:
                for reading in self._strangers(system):
                    self.recorder.problem(f"Somebody read a secret who is not meant to: {reading}.")
            except Exception as error:  # noqa: BLE001  whatever it is, the run must not pass unexamined
                self.recorder.problem(f"The audit trails could not be searched: {type(error).__name__}.")
            self._read_dashboard(system)
            if isinstance(self.environment, MemoryReader):
                with contextlib.suppress(MitaError):  # a figure less is no reason to fail
                    self.recorder.memory_bytes = self.environment.memory_bytes()
            self._search(system)
        for stop in (*self._ends, self.environment.stop):
            try:
                stop()
            except MitaError as error:
                self.recorder.problem(f"The environment could not be stopped: {error}")
        if self._watch is not None:
            self._watch.tell()
            self.recorder.versions |= self._watch.spent()

    def _read_dashboard(self, system: System) -> None:
        if Capability.MONITORING not in self.environment.capabilities:
            return
        try:
            self.recorder.dashboard = panels(system, self.recorder.started.timestamp())
        except Exception as error:  # noqa: BLE001  whatever it is, a picture less is no reason to fail
            self._progress(Step("dashboard", "failed", f"it is not in the report: {type(error).__name__}"))

    def _strangers(self, system: System) -> Iterable[object]:
        return strangers(system, self.recorder.started)

    def _search(self, system: System) -> None:
        """Search everything that the environment wrote and runs, as far as it can be searched."""
        if not isinstance(self.environment, SearchableEnvironment):
            return
        try:
            self._know_secrets(system)  # as they are now, after every rotation
            searchable = self.environment.searchable()
        except MitaError as error:
            self.recorder.problem(f"The environment could not be searched for secret values: {error}")
            return
        redactor, lawful = self.recorder.redactor, searchable.lawful
        receipts = receipts_directory(self.environment)
        for place, found in (
            ("the environment's ", search_files(redactor, searchable.directory, lawful)),
            ("the receipts: ", search_files(redactor, receipts) if receipts.is_dir() else Search()),
            ("", search_processes(redactor, [searchable.process, os.getpid()], lawful)),
        ):
            for sentence in found.problems:
                self.recorder.problem(sentence.replace("was found in ", f"was found in {place}"))

    def _on_secret(self, name: str, value: SecretStr) -> None:
        text = value.get_secret_value()
        # A shorter one is a name, such as everybody's "apikey"; a placeholder is everybody's too.
        if len(text) >= SHORTEST and not is_placeholder(text):
            self.recorder.redactor.register(name, value)

    def _know_secrets(self, system: System) -> None:
        """Read every secret, whoever made it, so that it is kept out of what is written."""
        for secret in system.desired.secrets:
            system.stored(secret.name)
        logins = {"database": system.connections.database, "cache": system.connections.cache}
        for name, login in logins.items():
            if login is not None:
                self._on_secret(f"the password of the {name}'s administrator", login.password)

    def _progress(self, step: Step, /) -> None:
        now = time.monotonic()
        if step.state == "progress" and now - self._told.get(step.subject, 0.0) < _PROGRESS_SECONDS:
            return
        self._told[step.subject] = now
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            text = f"{now - self._began:7.1f} s  {step.subject}: {step.state} {step.detail}".rstrip()
            reporter.ensure_newline()
            reporter.line(self.recorder.redactor.redact(text))

    # ---- evidence of a failure

    def _objects_in_focus(self, item: pytest.Item) -> Iterator[Attachment]:
        focus = item.stash.get(_FOCUS, None)
        if focus is not None and self._system is not None:
            for manifest in focus.objects:
                text = describe(self._system.connections.kubernetes, manifest)
                yield Attachment(title=name_of(manifest), text=text)

    def _logs(self, item: pytest.Item) -> Iterable[Attachment]:
        if not item.path.is_relative_to(self._features) or self._system is None:
            return ()
        into = self.recorder.directory / COLLECTED
        shutil.rmtree(into, ignore_errors=True)  # of an earlier failure
        self.environment.collect(into)
        # The report goes to many; the environment keeps the original.
        for leak in self.recorder.redactor.cleanse(into):
            place = Path(leak.place).relative_to(into)
            self.recorder.problem(f"The value of {leak.name} was found in the environment's {place}.")
        return (Attachment(title="Logs and states", text=f"As of the last failure: {COLLECTED}/"),)


_FOCUS = pytest.StashKey[Focus]()
SESSION = pytest.StashKey[FeatureSession]()
"""On pytest's configuration: the session of the features."""


def _deployed_before(directory: Path) -> DeploymentSummary | None:
    file = directory / DEPLOYMENT_FILE
    return DeploymentSummary.model_validate_json(file.read_bytes()) if file.exists() else None


def _versions(system: System) -> dict[str, str]:
    connections = system.connections
    helm = Helm(connections.helm, kubeconfig=connections.kubeconfig, context=connections.cluster.context)
    (operator,) = (release for release in system.desired.releases if release.chart == "operator")
    return {
        "This suite": version(_DISTRIBUTION),
        "Python": platform.python_version(),
        "pytest-bdd": version("pytest-bdd"),
        "Kubernetes": system.cluster.call("GET", "/version")["gitVersion"],
        "Helm": ".".join(map(str, helm.version())),
        "External Secrets Operator": operator.values["image"]["tag"],
        "Desired state (SHA-256)": system.desired.digest,
    }


# ---- what steps ask for


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest) -> Environment:
    """The environment that the features run in, as they meet it."""
    return request.config.stash[SESSION].system.environment


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest) -> System:
    """The system under test."""
    return request.config.stash[SESSION].system


@pytest.fixture(scope="session")
def redactor(request: pytest.FixtureRequest) -> Redactor:
    """What knows every secret value of the run."""
    return request.config.stash[SESSION].recorder.redactor


@pytest.fixture(scope="session")
def report_directory(request: pytest.FixtureRequest) -> Path:
    """Where the run's report is written."""
    return request.config.stash[SESSION].recorder.directory


@pytest.fixture
def focus(request: pytest.FixtureRequest) -> Focus:
    """What the scenario is looking at."""
    # On the scenario itself, because its steps ask for fixtures behind pytest's back.
    scenario: pytest.Item = request.node
    return scenario.stash.setdefault(_FOCUS, Focus())
