"""The results of a run, as they are written beside its report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployer.errors import ConfigurationError
from evidence.catalogue import NEEDS, CataloguedFeature, CataloguedScenario
from evidence.criteria import Criterion
from evidence.observation import Observed
from evidence.surroundings import Comparison, Panel, Score

RESULTS_FILE = "results.json"

ScenarioKey = tuple[str, str, tuple[tuple[str, str], ...]]
"""File, title and the cells of the example, by name."""


class Status(StrEnum):
    """How a scenario, or one of its steps, ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EXERCISED = "not exercised"
    """The environment lacks something that the scenario needs."""
    SKIPPED = "skipped"
    """Left out for another reason, so it proves nothing and the run is incomplete."""
    NOT_RUN = "not run"
    """Nobody asked for it, or the run ended before its turn."""


class Phase(StrEnum):
    """The part of a scenario's run in which it failed."""

    SET_UP = "set-up"
    STEPS = "steps"
    CLEAN_UP = "clean-up"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Attachment(_Record):
    """Something kept for whoever looks into a failure.

    Attributes:
        title: What it is.
        text: Its content, free of secret values.
    """

    title: str
    text: str


class StepResult(_Record):
    """A step as it was run.

    Attributes:
        keyword: The word that it opens with.
        text: The rest of the line, examples filled in.
        status: ``not run`` after a failure.
        seconds: How long it took.
        table: Rows of its data table.
    """

    keyword: str
    text: str
    status: Status
    seconds: float = 0.0
    table: tuple[tuple[str, ...], ...] = ()


class ScenarioResult(_Record):
    """One run of a scenario, or of one example of an outline.

    Attributes:
        file: Feature file, relative to the features' directory.
        title: The scenario's name, as the feature file has it.
        example: The row of an outline.
        tags: Its own tags and those that it inherits.
        status: How it ended.
        reason: Why it did not pass, in a sentence.
        phase: Where it failed.
        also_failed: Where it failed again after that.
        started: When it began; None when it never did.
        seconds: How long it took, set-up and clean-up included.
        set_up_seconds: How much of that went by before its first step.
        steps: Those of the background first.
        failure: The failure in full.
        attachments: What was collected at the failure.
    """

    file: str
    title: str
    example: dict[str, str] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    status: Status
    reason: str = ""
    phase: Phase | None = None
    also_failed: tuple[Phase, ...] = ()
    started: datetime | None = None
    seconds: float = 0.0
    set_up_seconds: float = 0.0
    steps: tuple[StepResult, ...] = ()
    failure: str = ""
    attachments: tuple[Attachment, ...] = ()

    @property
    def key(self) -> ScenarioKey:
        """What tells this run of a scenario from every other."""
        return scenario_key(self.file, self.title, self.example)

    @property
    def needs(self) -> frozenset[str]:
        """The capabilities that its tags ask for."""
        return frozenset(tag.removeprefix(NEEDS) for tag in self.tags if tag.startswith(NEEDS))


def scenario_key(file: str, title: str, example: dict[str, str]) -> ScenarioKey:
    """Return what tells one run of a scenario from every other."""
    return (file, title, tuple(sorted(example.items())))


def expected_steps(scenario: CataloguedScenario, example: Mapping[str, str]) -> tuple[StepResult, ...]:
    """Return the steps of a scenario as they stand before it runs."""
    return tuple(
        StepResult(keyword=step.keyword, text=step.text, status=Status.NOT_RUN, table=step.table)
        for step in scenario.steps_of(example)
    )


class DeploymentAction(_Record):
    """One thing that the deployment did.

    Attributes:
        verb: What was done, for example ``create``.
        subject: To what.
        phase: The phase of the guide that it belongs to.
        reason: Why.
    """

    verb: str
    subject: str
    phase: str = ""
    reason: str = ""


class DeploymentSummary(_Record):
    """What was deployed before the features ran.

    Attributes:
        outcome: What came of it, in a sentence.
        seconds: How long it took.
        ready_seconds: How long the environment took to be ready before that; None where it ran already.
        actions: In the order in which they were done; empty when there was nothing to change.
    """

    outcome: str
    seconds: float = 0.0
    ready_seconds: float | None = None
    actions: tuple[DeploymentAction, ...] = ()


class Run(_Record):
    """Everything that a run leaves for its report.

    Attributes:
        environment: Name of the environment.
        capabilities: What the environment can show, by name; None in results from before it was recorded.
        started: When the run began.
        finished: When it ended; None while it runs, and for ever when it was killed.
        selection: How the scenarios were chosen, when not all of them were asked for.
        scope: The tag of the scenarios that were asked for; empty for all.
        problems: What went wrong outside any scenario; each alone makes the run fail.
        versions: What ran, by name.
        deployment: What was deployed; None when the run found the system deployed.
        criteria: The promises as they stood.
        features: The feature files as they stood.
        scenarios: Results, in the order in which they ran.
        observed: What the run's history amounts to: checks, propagation, load.
        dashboard: The dashboard as it was at the end; empty without monitoring.
        memory_bytes: What the environment held at the end; None where nobody could tell.
        comparison: The run beside earlier ones.
        sources: Digest of the sources that ran.
        teeth: The score of planted defects that was measured last.
    """

    environment: str
    capabilities: tuple[str, ...] | None = None
    started: datetime
    finished: datetime | None = None
    selection: str = ""
    scope: str = ""
    problems: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    deployment: DeploymentSummary | None = None
    criteria: tuple[Criterion, ...] = ()
    features: tuple[CataloguedFeature, ...] = ()
    scenarios: tuple[ScenarioResult, ...] = ()
    observed: Observed = Observed()
    dashboard: tuple[Panel, ...] = ()
    memory_bytes: int | None = None
    comparison: Comparison | None = None
    sources: str = ""
    teeth: Score | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs, and for ever when it was killed."""
        return (self.finished - self.started).total_seconds() if self.finished else None

    def lacks(self, scenario: ScenarioResult) -> frozenset[str]:
        """Return what a scenario needs and the environment is known not to have."""
        return frozenset() if self.capabilities is None else scenario.needs - {*self.capabilities}


def save_run(run: Run, directory: Path) -> Path:
    """Write a run's results into its report directory, all at once or not at all."""
    return write_atomically(directory / RESULTS_FILE, run.model_dump_json(indent=1) + "\n")


def load_run(directory: Path) -> Run:
    """Read a run's results from its report directory.

    Raises:
        ConfigurationError: There are none, or they are not as this version writes them.
    """
    path = directory / RESULTS_FILE
    try:
        return Run.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            str(path),
            expected="the results of a run",
            seen=str(error),
            remedy="Name the directory of a run, for example reports/latest.",
        ) from error


def write_atomically(path: Path, text: str) -> Path:
    """Replace a file by a new one that its owner alone may read, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
