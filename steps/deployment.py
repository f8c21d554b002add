"""Deployments that are planned, attempted, refused or repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from pytest_bdd import given, then, when

from deployer.changes import Action
from deployer.errors import MitaError, RefusedError
from deployer.plan import Plan
from steps.deploying import last_phase
from steps.inventory import Inventory, take_inventory
from steps.parameters import phrase
from steps.system import Candidate, System

INFRASTRUCTURE = 1  # the guide's phase


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a deployment.

    Attributes:
        before: What was there before it.
        plan: What was planned; None when it did not come to that.
        refusal: Why it was refused; None when it was not.
    """

    before: Inventory
    plan: Plan | None = None
    refusal: MitaError | None = None


def attempt(system: System, candidate: Candidate, through: int | str | None = None) -> Attempt:
    """Deploy as the command line does: check, plan, apply; as far as the environment goes by default."""
    through = last_phase(system.environment) if through is None else through
    before = take_inventory(system)
    plan: Plan | None = None
    try:
        deployment = system.deployment(candidate)
        for result in deployment.preflight(through):
            if result.lack is not None:
                raise result.lack
        plan = deployment.plan(through)
        deployment.apply(plan)
    except MitaError as refusal:
        return Attempt(before, plan, refusal)
    return Attempt(before, plan)


@pytest.fixture
def candidate(system: System) -> Candidate:
    """What is deployed unless a scenario says otherwise."""
    return system.candidate


@given("a place where nothing has been deployed", target_fixture="candidate")
def _nothing_deployed(system: System) -> Candidate:
    desired = system.desired
    fresh = desired.model_copy(
        update={
            "key": desired.key.model_copy(update={"alias": "alias/mita-finance-rehearsal-secrets"}),
            "secret_store": desired.secret_store.model_copy(update={"prefix": "mita-finance/rehearsal/"}),
            "roles": tuple(
                role.model_copy(update={"name": role.name.replace("production", "rehearsal")})
                for role in desired.roles
            ),
        }
    )
    return replace(system.candidate, desired=fresh)


@given(phrase("a desired state without the secret {secret:Quoted}"), target_fixture="candidate")
def _without_secret(system: System, secret: str) -> Candidate:
    left = tuple(each for each in system.desired.secrets if each.name != secret)
    assert len(left) == len(system.desired.secrets) - 1, f"{secret} is not declared to begin with"
    rotation = system.desired.rotation
    functions = tuple(
        each.model_copy(update={"secrets": tuple(name for name in each.secrets if name != secret)})
        for each in rotation.functions
    )
    # Whoever gives a secret up lets nobody rotate it any more, or the desired state contradicts itself.
    changed = {"secrets": left, "rotation": rotation.model_copy(update={"functions": functions})}
    return replace(system.candidate, desired=system.desired.model_copy(update=changed))


@given("a plan", target_fixture="plan")
def _a_plan(system: System) -> Plan:
    return system.deployment().plan(INFRASTRUCTURE)


@when("a deployment is attempted", target_fixture="outcome")
def _deployment_attempted(system: System, candidate: Candidate) -> Attempt:
    return attempt(system, candidate)


@when("that plan is applied", target_fixture="outcome")
def _plan_applied(system: System, plan: Plan) -> Attempt:
    before = take_inventory(system)
    try:
        system.deployment().apply(plan)
    except MitaError as refusal:
        return Attempt(before, plan, refusal)
    return Attempt(before, plan)


@when("the AWS infrastructure is planned", target_fixture="outcome")
def _infrastructure_planned(system: System, candidate: Candidate) -> Attempt:
    before = take_inventory(system)
    return Attempt(before, system.deployment(candidate).plan(INFRASTRUCTURE))


@when("the whole system is deployed again", target_fixture="outcome")
def _deployed_again(system: System) -> Attempt:
    return attempt(system, system.candidate)


@when("the AWS infrastructure is deployed again", target_fixture="outcome")
def _infrastructure_deployed_again(system: System) -> Attempt:
    return attempt(system, system.candidate, INFRASTRUCTURE)


@then(phrase("it is refused, and the reason is {reason:Quoted}"))
def _refused_because(outcome: Attempt, reason: str) -> None:
    assert outcome.refusal is not None, "it was not refused"
    assert reason in outcome.refusal.subject, f"it was refused for another reason: {outcome.refusal}"
    for part in ("expected", "seen", "remedy"):
        assert getattr(outcome.refusal, part), f"the refusal does not say what was {part}"


@then(phrase("it is refused, and the loss is named as {loss:Quoted}"))
def _refused_naming(outcome: Attempt, loss: str) -> None:
    assert isinstance(outcome.refusal, RefusedError), f"it was not refused as a loss: {outcome.refusal!r}"
    assert loss in outcome.refusal.seen, f"the refusal names another loss: {outcome.refusal.seen}"


@then("nothing has changed")
def _nothing_has_changed(system: System, outcome: Attempt) -> None:
    changes = take_inventory(system).changes_since(outcome.before)
    assert not changes, f"these changed: {', '.join(changes)}"


@then("there was nothing to do")
def _nothing_to_do(outcome: Attempt) -> None:
    assert outcome.refusal is None, f"it was refused: {outcome.refusal}"
    assert outcome.plan is not None
    assert not outcome.plan.pending, _pending(outcome.plan)


@then("another plan finds nothing to do")
def _another_plan_is_empty(system: System) -> None:
    plan = system.deployment().plan(INFRASTRUCTURE)
    assert not plan.pending, _pending(plan)


@then("the plan makes the key, all eight secrets and the operator's role")
def _plan_makes_everything(candidate: Candidate, outcome: Attempt) -> None:
    assert outcome.plan is not None
    desired = candidate.desired
    expected = {f"kms-key/{desired.key.alias}"}
    expected |= {f"iam-role/{role.name}" for role in desired.roles if role.phase <= INFRASTRUCTURE}
    secrets = {f"secret/{desired.full_name(secret)}" for secret in desired.secrets}
    assert len(secrets) == 8, f"{len(secrets)} secrets are declared"  # noqa: PLR2004  the guide's number
    made = {change.object for change in outcome.plan.pending if change.action is Action.CREATE}
    assert made == expected | secrets


@then("it destroys and replaces nothing")
def _takes_nothing_away(outcome: Attempt) -> None:
    assert outcome.plan is not None
    lost = [f"{change.action} {change.object}" for change in outcome.plan.changes if change.takes_away]
    assert not lost, f"it would {', '.join(lost)}"


def _pending(plan: Plan) -> str:
    return "; ".join(f"{change.action} {change.object}: {change.reason}" for change in plan.pending)
