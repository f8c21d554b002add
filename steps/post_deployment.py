"""After deployment: the rotation drill, and the monthly report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pytest_bdd import given, then, when

from deployer.eventually import eventually
from deployer.handwork import manifest_values
from deployer.rotation.record import Kind, Rotated
from evidence.baselines import THRESHOLDS, Comparison, Judgement, compare
from evidence.monthly import Month, gather, markdown
from evidence.timeline import Timeline
from steps.audit import role_that_reads, trail_readings
from steps.parameters import phrase
from steps.probes import ROTATED
from steps.prometheus import query
from steps.rotating import rotate
from steps.system import System

_PROVEN_BY_LOGIN = ("database/primary", "cache/redis-auth")
_STALE = "STALE_SECONDS"
_DAY = timedelta(days=1)
_TRAIL_SECONDS = 900.0  # by which AWS' trail may lag


# ---- the drill


@when("every critical credential is changed by the emergency procedure", target_fixture="drill")
def _drill(system: System, timeline: Timeline) -> Sequence[Rotated]:
    return [rotate(system, timeline, secret) for secret in ROTATED]


@then(phrase("each was in use everywhere within {seconds:d} seconds"))
def _in_use(drill: Sequence[Rotated], seconds: int) -> None:
    assert [done.secret for done in drill] == list(ROTATED)
    for done in drill:
        assert done.of(Kind.POD), f"no pod was seen to use {done.secret}"
        took = max(hop.seconds for hop in done.hops)
        assert took <= seconds, f"{done.secret} took {took:.1f} s"


@then("nobody who had the value before was cut off")
def _nobody_cut_off(drill: Sequence[Rotated]) -> None:
    for done in drill:
        if done.secret in _PROVEN_BY_LOGIN:
            assert "with the value before" in {hop.subject for hop in done.of(Kind.LOGIN)}, done.secret


# ---- thresholds


@given("a threshold of 1 second for the age of a synchronisation", target_fixture="thresholds")
def _low_threshold(system: System) -> Mapping[str, str]:
    return {**manifest_values(system.desired, system.connections), _STALE: "1"}


@pytest.fixture
def thresholds(system: System) -> Mapping[str, str]:
    """The thresholds as they are deployed."""
    return manifest_values(system.desired, system.connections)


@when(
    phrase("the alerts' thresholds are compared with the last {count:d} minutes"), target_fixture="compared"
)
def _compared(system: System, thresholds: Mapping[str, str], count: int) -> Sequence[Comparison]:
    def ask(expression: str) -> float | None:
        found = query(system, expression)
        return found[0][1] if found else None

    return compare(thresholds, ask, f"{count}m")


@then("each of them was measured")
def _measured(compared: Sequence[Comparison]) -> None:
    assert len(compared) == len(THRESHOLDS)
    for each in compared:
        assert each.judgement is not Judgement.UNMEASURED, each.threshold.what


@then("that threshold is found too low, and a higher one is proposed")
def _too_low(compared: Sequence[Comparison]) -> None:
    (stale,) = (each for each in compared if each.threshold.setting == _STALE)
    assert stale.judgement is Judgement.TOO_LOW
    assert stale.proposed is not None
    assert stale.proposed > stale.value


# ---- the month


@given("a role of nobody's read a secret", target_fixture="nobody")
def _nobodys_role(system: System) -> Iterator[str]:
    for role in role_that_reads(system, "month"):
        _await_reader(system, role)
        yield role


def _await_reader(system: System, role: str) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)

    def untold() -> str | None:
        told = {each.reader for each in trail_readings(system, since)}
        return None if role in told else "the trail does not tell of it yet"

    eventually(
        untold, subject=f"the read by {role}", deadline=_TRAIL_SECONDS, remedy="Look at the audit trail."
    )


@when("the monthly report is made", target_fixture="month")
def _month(system: System) -> Month:
    now = datetime.now(UTC)
    return gather(system.connections, system.desired, now - _DAY, now + timedelta(minutes=1))


@then("it tells of each secret how often it was rotated, and when it is due")
def _tells_of_secrets(system: System, month: Month) -> None:
    assert {each.name for each in month.secrets} == {secret.name for secret in system.desired.secrets}
    rotating = {name for function in system.desired.rotation.functions for name in function.secrets}
    for each in month.secrets:
        assert (each.due is not None) == (each.name in rotating), each.name
        assert each.name in markdown(month)
    assert sum(each.rotated for each in month.secrets), "the trail tells of no rotation"


@then("it counts the reads of each reader")
def _counts_reads(system: System, month: Month) -> None:
    seen = {each.reader for each in trail_readings(system, month.since)}
    assert {each.name for each in month.readers} >= seen - {""}
    assert all(each.reads > 0 for each in month.readers)


@then("it asks for attention to the role of nobody's")
def _asks_for_attention(month: Month, nobody: str) -> None:
    assert any(nobody in each for each in month.attention)
    assert f"| {nobody} | 1 | no |" in markdown(month)
