"""What happens to one scenario, gathered while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from evidence.catalogue import CataloguedFeature, CataloguedScenario
from evidence.model import (
    Attachment,
    Phase,
    ScenarioKey,
    ScenarioResult,
    Status,
    StepResult,
    expected_steps,
    scenario_key,
)


class ScenarioLog:
    """Gathers the course of one scenario.

    Attributes:
        started: When it began; None when it has not.
        seconds: How long its parts have taken so far.
        set_up_seconds: How much of that was its set-up.
    """

    def __init__(self, file: str, scenario: CataloguedScenario, example: dict[str, str]) -> None:
        self.started: datetime | None = None
        self.seconds = 0.0
        self.set_up_seconds = 0.0
        self._identity = {"file": file, "title": scenario.title, "example": example, "tags": scenario.tags}
        self._key = scenario_key(file, scenario.title, example)
        self._expected = expected_steps(scenario, example)
        self._steps: list[StepResult] = []
        self._step_began = 0.0
        self._step_open = False
        self._status = Status.PASSED
        self._phase: Phase | None = None
        self._also_failed: list[Phase] = []
        self._reason = ""
        self._failure: list[str] = []
        self._attachments: list[Attachment] = []

    @property
    def key(self) -> ScenarioKey:
        """What tells this run of a scenario from every other."""
        return self._key

    def begin(self, now: datetime) -> None:
        """Note the beginning."""
        self.started = now

    def begin_step(self) -> None:
        """Note that the next step begins."""
        self._step_began = time.perf_counter()
        self._step_open = True

    def end_step(self, status: Status) -> None:
        """Note how the step at hand ended."""
        seconds = time.perf_counter() - self._step_began if self._step_open else 0.0
        upcoming = self._expected[len(self._steps)]
        self._steps.append(upcoming.model_copy(update={"status": status, "seconds": seconds}))
        self._step_open = False

    def fail(self, phase: Phase, reason: str, failure: str, attachments: Iterable[Attachment]) -> None:
        """Note a failure; the first one gives the reason, later ones are kept beside it."""
        if self._status is not Status.FAILED:
            self._status, self._phase, self._reason = Status.FAILED, phase, reason
        else:
            self._also_failed.append(phase)
        self._failure.append(failure)
        self._attachments += attachments
        # Without an open step the definition of the next one is what was missing.
        if phase is Phase.STEPS and len(self._steps) < len(self._expected):
            self.end_step(Status.FAILED)

    def skip(self, not_exercised: str | None, reason: str) -> None:
        """Note that the scenario was left out, before or within its steps."""
        self._status = Status.NOT_EXERCISED if not_exercised else Status.SKIPPED
        self._reason = not_exercised or reason
        if self._step_open:
            self.end_step(Status.SKIPPED)

    def interrupted(self) -> ScenarioResult:
        """Return what there is of a scenario that was cut short."""
        if self._status is not Status.FAILED:
            self._status, self._reason = Status.NOT_RUN, "The run was interrupted in the middle of it."
        if self._step_open:
            self.end_step(Status.NOT_RUN)
        return self.result()

    def result(self) -> ScenarioResult:
        """Return the whole course."""
        remaining = self._expected[len(self._steps) :]
        return ScenarioResult.model_validate(
            {
                **self._identity,
                "status": self._status,
                "reason": self._reason,
                "phase": self._phase,
                "also_failed": tuple(self._also_failed),
                "started": self.started,
                "seconds": self.seconds,
                "set_up_seconds": self.set_up_seconds,
                "steps": (*self._steps, *remaining),
                "failure": "\n\n".join(self._failure),
                "attachments": tuple(self._attachments),
            }
        )


def vanished(features: Iterable[CataloguedFeature], logs: Iterable[ScenarioLog]) -> tuple[ScenarioKey, ...]:
    """Name what the feature files ask for and the test framework has not found."""
    found = {log.key for log in logs}
    expected = (
        scenario_key(feature.file, scenario.title, example)
        for feature in features
        for scenario in feature.scenarios
        for example in scenario.instances()
    )
    return tuple(key for key in expected if key not in found)
