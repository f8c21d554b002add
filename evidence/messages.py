"""A run as Cucumber messages: one JSON object a line, in the order in which things happened.

Made from the results alone, and true where the JSON report of pytest-bdd is not: set-up and
clean-up are steps of their own, which fail by themselves; a scenario that was left out is
skipped, with its reason; one that never ran has a pickle and no test case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from evidence.assessment import FeatureResult, Verdict, assess
from evidence.message_documents import Document, Numbers
from evidence.model import Phase, Run, ScenarioResult, Status, StepResult, write_atomically

MESSAGES_FILE = "messages.ndjson"
PROTOCOL = "34.2.0"

Message = dict[str, Any]

_STATUSES = {
    Status.PASSED: "PASSED",
    Status.FAILED: "FAILED",
    Status.NOT_EXERCISED: "SKIPPED",
    Status.SKIPPED: "SKIPPED",
    Status.NOT_RUN: "SKIPPED",
}
_UNKNOWN = {"name": "not recorded"}


def write_messages(run: Run, directory: Path) -> Path:
    """Write a run's messages into its directory."""
    lines = (json.dumps(message, ensure_ascii=False, separators=(",", ":")) for message in messages(run))
    return write_atomically(directory / MESSAGES_FILE, "".join(f"{line}\n" for line in lines))


def messages(run: Run) -> Iterator[Message]:
    """Yield a run's messages in their order."""
    numbers = Numbers()
    assessment = assess(run)
    yield {"meta": _meta(run)}
    documents = []
    for feature in assessment.features:
        document = Document(feature.feature, numbers, feature.scenarios)
        documents.append((feature, document))
        yield {"gherkinDocument": document.content}
    before, after = numbers.next(), numbers.next()
    yield {"hook": _hook(before, "set-up", "BEFORE_TEST_CASE")}
    yield {"hook": _hook(after, "clean-up", "AFTER_TEST_CASE")}
    started = numbers.next()
    yield {"testRunStarted": {"id": started, "timestamp": _timestamp(run.started)}}
    cases = []
    for feature, document in documents:
        for scenario, pickle in _pickles(feature, document):
            yield {"pickle": pickle}
            if scenario.started is not None:
                case = _TestCase(
                    scenario, scenario.started, pickle, numbers, hooks=(before, after), run=started
                )
                cases.append(case)
                yield {"testCase": case.content}
    for case in sorted(cases, key=lambda case: case.began):
        yield from case.course()
    if run.finished is not None:
        yield {
            "testRunFinished": {
                "testRunStartedId": started,
                "success": assessment.verdict is Verdict.PASSED,
                "message": "\n".join((f"Verdict: {assessment.verdict}", *assessment.reasons)),
                "timestamp": _timestamp(run.finished),
            }
        }


def _pickles(feature: FeatureResult, document: Document) -> Iterator[tuple[ScenarioResult, Message]]:
    for scenario in feature.scenarios:
        yield scenario, document.pickle(scenario)


def _meta(run: Run) -> Message:
    return {
        "protocolVersion": PROTOCOL,
        "implementation": {
            "name": "mita-secret-acceptance",
            **_version(run.versions.get("This suite")),
        },
        "runtime": {"name": "Python", **_version(run.versions.get("Python"))},
        "os": _UNKNOWN,
        "cpu": _UNKNOWN,
    }


def _version(version: str | None) -> Message:
    return {} if version is None else {"version": version}


def _hook(identifier: str, name: str, kind: str) -> Message:
    return {"id": identifier, "name": name, "type": kind, "sourceReference": {"uri": "evidence/recorder.py"}}


class _TestCase:
    """One run of a scenario: set-up, its steps, clean-up."""

    def __init__(
        self,
        scenario: ScenarioResult,
        began: datetime,
        pickle: Message,
        numbers: Numbers,
        *,
        hooks: tuple[str, str],
        run: str,
    ) -> None:
        self.began = began
        self._scenario = scenario
        self._id = numbers.next()
        self._before, self._after, self._attempt = numbers.next(), numbers.next(), numbers.next()
        self._steps = [(numbers.next(), step) for step in scenario.steps]
        self.content: Message = {
            "id": self._id,
            "pickleId": pickle["id"],
            "testRunStartedId": run,
            "testSteps": [
                {"id": self._before, "hookId": hooks[0]},
                *(
                    {"id": identifier, "pickleStepId": step["id"]}
                    for (identifier, _), step in zip(self._steps, pickle["steps"], strict=True)
                ),
                {"id": self._after, "hookId": hooks[1]},
            ],
        }

    def course(self) -> Iterator[Message]:
        """Yield what happened, in its order."""
        scenario = self._scenario
        started = {"id": self._attempt, "testCaseId": self._id, "attempt": 0}
        yield {"testCaseStarted": {**started, "timestamp": _timestamp(self.began)}}
        now = self.began
        for identifier, status, seconds in self._results():
            step = {"testCaseStartedId": self._attempt, "testStepId": identifier}
            yield {"testStepStarted": {**step, "timestamp": _timestamp(now)}}
            if identifier == self._guilty():
                for attachment in scenario.attachments:
                    yield {"attachment": {**step, **_attachment(attachment.title, attachment.text)}}
            now += timedelta(seconds=seconds)
            result = {"status": status, "duration": _duration(seconds), **self._told(identifier, status)}
            yield {"testStepFinished": {**step, "testStepResult": result, "timestamp": _timestamp(now)}}
        if not self._cut_short:
            end = max(now, self.began + timedelta(seconds=scenario.seconds))
            finished = {"testCaseStartedId": self._attempt, "willBeRetried": False}
            yield {"testCaseFinished": {**finished, "timestamp": _timestamp(end)}}

    @property
    def _cut_short(self) -> bool:
        return self._scenario.status is Status.NOT_RUN

    def _results(self) -> Iterator[tuple[str, str, float]]:
        """Yield every step that happened or was passed over, with how it ended and how long it took."""
        scenario = self._scenario
        steps_seconds = sum(step.seconds for step in scenario.steps)
        yield self._before, self._hook_status(Phase.SET_UP), scenario.set_up_seconds
        for identifier, step in self._steps:
            if self._cut_short and step.status is Status.NOT_RUN:
                return  # the run ended here, and with it what is known
            yield identifier, _STATUSES[step.status], step.seconds
        rest = max(0.0, scenario.seconds - scenario.set_up_seconds - steps_seconds)
        yield self._after, self._hook_status(Phase.CLEAN_UP), rest

    def _hook_status(self, phase: Phase) -> str:
        scenario = self._scenario
        if phase in (scenario.phase, *scenario.also_failed) or self._guilty() == self._hook_of(phase):
            return "FAILED"
        left_out = scenario.status in {Status.NOT_EXERCISED, Status.SKIPPED}
        if phase is Phase.SET_UP and left_out and not _ran(scenario.steps):
            return "SKIPPED"
        return "PASSED"

    def _hook_of(self, phase: Phase) -> str:
        return self._before if phase is Phase.SET_UP else self._after

    def _guilty(self) -> str | None:
        """Return the step that made the scenario fail, if one did."""
        scenario = self._scenario
        if scenario.status is not Status.FAILED:
            return None
        if scenario.phase is Phase.SET_UP:
            return self._before
        failed = (identifier for identifier, step in self._steps if step.status is Status.FAILED)
        # pytest can fail after the last step has passed, and before clean-up.
        return self._after if scenario.phase is Phase.CLEAN_UP else next(failed, self._after)

    def _told(self, identifier: str, status: str) -> Message:
        """Return the message of a step's result: the failure in full, or why it was left out."""
        scenario = self._scenario
        if identifier == self._guilty():
            return {
                "message": scenario.failure or scenario.reason,
                "exception": {"type": "failure", "message": scenario.reason},
            }
        if status == "FAILED":
            return {"message": f"The {Phase.CLEAN_UP} failed as well; see the first failure's message."}
        if status == "SKIPPED" and scenario.status is not Status.FAILED:
            return {"message": f"{scenario.status}: {scenario.reason}"}
        return {}


def _ran(steps: Iterable[StepResult]) -> bool:
    return any(step.status is not Status.NOT_RUN for step in steps)


def _attachment(title: str, text: str) -> Message:
    return {"body": text, "contentEncoding": "IDENTITY", "mediaType": "text/plain", "fileName": title}


def _timestamp(moment: datetime) -> dict[str, int]:
    return {"seconds": int(moment.timestamp()), "nanos": moment.microsecond * 1000}


def _duration(seconds: float) -> dict[str, int]:
    whole, nanos = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
    return {"seconds": whole, "nanos": nanos}
