"""Phase 8: the deployment report, the message to the team, the checklists."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.errors import ConfigurationError
from deployer.eventually import eventually
from deployer.notifications import Slack
from environments.protocol import NotificationReader
from evidence.assessment import Standing, assess
from evidence.catalogue import CataloguedFeature, CataloguedScenario
from evidence.criteria import Criterion
from evidence.handover import (
    CHANNEL,
    Facts,
    Item,
    Tracked,
    markdown,
    measure,
    message,
    read_checklist,
    track,
)
from evidence.model import Run, ScenarioResult, Status, load_run
from steps.parameters import phrase
from steps.synchronisation import SOURCES
from steps.system import System

_REPLICAS = 3
_SECONDS = 30.0
# A promise of the guide's, by the only scenario of a run that is made for these scenarios.
_PROMISE = Criterion(id="P1.1", section="Example", text="An example.", status="required")
_ENDS = {"passed": Status.PASSED, "failed": Status.FAILED}
_WHY = "It does not hold."
_ITEMS = (
    Item(text="An example is shown", owner="DevOps Team", due_days=1, criteria=("P1.1",)),
    Item(text="Somebody is trained", owner="DevOps Team", due_days=7),
)


def _run_that(status: Status) -> Run:
    """Return a run of one scenario, which ended in some way."""
    title, file, tags, now = "An example", "example.feature", ("P1.1",), datetime.now(UTC)
    scenario = CataloguedScenario(title=title, line=1, tags=tags, steps=())
    reason = "" if status is Status.PASSED else _WHY
    result = ScenarioResult(file=file, title=title, tags=tags, status=status, reason=reason, started=now)
    feature = CataloguedFeature(file=file, name="Example", description="", line=1, scenarios=(scenario,))
    return Run(
        environment="embedded",
        started=now,
        finished=now,
        criteria=(_PROMISE,),
        features=(feature,),
        scenarios=(result,),
    )


@given(phrase("a run that {ended:Ended}", Ended=_ENDS), target_fixture="shown")
def _run_that_ended(ended: str) -> Run:
    return _run_that(_ENDS[ended])


@given("a run in which a scenario failed", target_fixture="shown")
def _run_that_failed() -> Run:
    return _run_that(Status.FAILED)


@pytest.fixture
def shown(report_directory: Path) -> Run:
    """What this run has shown so far."""
    return load_run(report_directory)


# ---- the report


@when("the deployment report is made of what this run has shown so far", target_fixture="text")
@when("the deployment report is made of that run", target_fixture="text")
def _report(shown: Run, facts: Facts) -> str:
    return markdown(shown, facts, track(_entries(shown), shown))


@pytest.fixture
def facts(system: System) -> Facts:
    """What is there."""
    return measure(system.connections, system.desired)


def _entries(run: Run) -> tuple[Item, ...]:
    known = {each.id for each in run.criteria}
    checklist = read_checklist()
    return checklist if all(set(each.criteria) <= known for each in checklist) else _ITEMS


@then("its counts are those of what is there")
def _counts(system: System, facts: Facts, text: str) -> None:
    functions = len(system.desired.rotation.functions)
    assert (facts.secrets, facts.functions) == (len(system.desired.secrets), functions)
    assert (facts.external_secrets, facts.replicas) == ((len(SOURCES), len(SOURCES)), _REPLICAS)
    assert facts.operator_pods, "no pod of the operator is ready"
    for line in (
        f"- KMS key: {facts.key}",
        f"- Secrets: {facts.secrets}",
        f"- External secrets: {len(SOURCES)} of {len(SOURCES)} ready",
        f"- Application: {_REPLICAS} pods ready",
    ):
        assert line in text, line


@then("it says how many scenarios passed so far, and names what was not shown")
def _says_what_passed(shown: Run, text: str) -> None:
    passed = sum(each.status is Status.PASSED for each in shown.scenarios)
    assert f"- Scenarios: {passed} of " in text
    assert "  - P8.1: not run" in text, "this very scenario has not ended yet"


@then("it says that the run failed, and what did")
def _says_what_failed(text: str) -> None:
    assert "- Verdict: **failed**" in text
    assert "  - P1.1: failed" in text


# ---- the message


@when("the team is told of it", target_fixture="told_at")
def _told(system: System, shown: Run, facts: Facts) -> float:
    url = system.connections.endpoints.slack
    assert url is not None, "the environment does not say where Slack is"
    at = time.time()
    Slack(SecretStr(url)).post(message(shown, facts, track(_ITEMS, shown)))
    return at


@then(phrase("Slack has received the guide's message with the status {status:Quoted}"))
def _received(system: System, told_at: float, status: str) -> None:
    found: list[Mapping[str, Any]] = []

    def missing() -> str | None:
        environment = system.environment
        assert isinstance(environment, NotificationReader), "the environment cannot tell what was received"
        found[:] = [
            each["message"]
            for each in environment.notifications()
            if each["receiver"] == "slack"
            and each["received"] >= told_at
            and each["message"].get("channel") == CHANNEL
        ]
        return None if found else "Slack has not received it"

    eventually(missing, subject="the message", deadline=_SECONDS, remedy="Look at the stand-in's log.")
    (attachment,) = found[-1]["attachments"]
    fields = {each["title"]: each["value"] for each in attachment["fields"]}
    assert fields["Status"].splitlines()[0] == status
    assert {"Environment", "Security features", "Next actions"} <= fields.keys()
    assert "Somebody is trained (DevOps Team" in fields["Next actions"]


# ---- the checklists


@when("the checklists are held against what this run has shown so far", target_fixture="tracked")
def _tracked(shown: Run) -> Sequence[Tracked]:
    return track(read_checklist(), shown)


@when("the checklists are held against that run", target_fixture="tracked")
def _tracked_example(shown: Run) -> Sequence[Tracked]:
    return track(_ITEMS, shown)


@then("each entry is done with evidence, or open with an owner and a due date")
def _each_stands(tracked: Sequence[Tracked], shown: Run) -> None:
    assert len(tracked) == len(read_checklist())
    for each in tracked:
        assert each.evidence or (each.item.owner and each.due >= shown.started.date()), each.item.text
    proven = {each.criterion.id for each in assess(shown).criteria if each.standing is Standing.PROVEN}
    for each in tracked:
        if each.item.criteria and each.item.done is None:
            assert bool(each.evidence) == (set(each.item.criteria) <= proven), each.item.text


@then("an entry whose promise was proven is done with evidence")
def _done(tracked: Sequence[Tracked]) -> None:
    assert tracked[0].evidence == "P1.1 proven by 1 scenarios"


@then("an entry that nobody did is open, with its owner and due date")
def _open(tracked: Sequence[Tracked], shown: Run) -> None:
    assert tracked[1].evidence is None
    assert tracked[1].item.owner == "DevOps Team"
    assert (tracked[1].due - shown.started.date()).days == tracked[1].item.due_days


@when("checklists are read in which an entry has no owner", target_fixture="refusal")
def _without_owner(tmp_path: Path) -> ConfigurationError:
    file = tmp_path / "handover.toml"
    file.write_text('[[item]]\ntext = "Somebody is trained"\ndue_days = 7\n')
    with pytest.raises(ConfigurationError) as refused:
        read_checklist(file)
    return refused.value


@then("they are refused, and the reason names the owner")
def _refused(refusal: ConfigurationError) -> None:
    assert "owner" in refusal.seen
