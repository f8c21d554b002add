"""After deployment: the ways to people, tried with a test event."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.eventually import eventually
from deployer.failures import ServiceError
from deployer.notifications import PagerDuty, Slack, send_test_event
from environments.protocol import NotificationReader
from steps.system import System

_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Test:
    """A test that was sent.

    Attributes:
        key: By which what was received is known to be of this test.
        at: When it began.
    """

    __test__ = False  # pytest takes the name for a test's

    key: str
    at: float


def _pagerduty(system: System, routing_key: SecretStr | None = None) -> PagerDuty:
    connections = system.connections
    key = routing_key or connections.pagerduty_key
    assert connections.endpoints.pagerduty is not None, "the environment does not say where PagerDuty is"
    assert key is not None, "the environment has no routing key for PagerDuty"
    return PagerDuty(connections.endpoints.pagerduty, key)


def _received(system: System, test: Test) -> Sequence[Mapping[str, Any]]:
    environment = system.environment
    assert isinstance(environment, NotificationReader), "the environment cannot tell what was received"
    return [each for each in environment.notifications() if test.key in str(each["message"])]


@when("a test event is sent to PagerDuty, acknowledged and resolved", target_fixture="test_event")
def _test_event(system: System) -> Test:
    began = time.time()
    return Test(send_test_event(_pagerduty(system), source=system.connections.cluster.name), began)


@then("PagerDuty has received all three under one key")
def _all_three(system: System, test_event: Test) -> None:
    wanted = ["trigger", "acknowledge", "resolve"]

    def missing() -> str | None:
        seen = [each["message"]["event_action"] for each in _received(system, test_event)]
        return None if seen == wanted else f"it has {', '.join(seen) or 'nothing'}"

    eventually(missing, subject="PagerDuty", deadline=_DEADLINE, remedy="Look at its service's activity.")
    keys = {each["message"]["dedup_key"] for each in _received(system, test_event)}
    assert keys == {test_event.key}


@when("a test message is sent to Slack", target_fixture="test_event")
def _test_message(system: System) -> Test:
    test = Test(f"mita-test-{secrets.token_hex(8)}", time.time())
    assert system.connections.endpoints.slack is not None, "the environment does not say where Slack is"
    Slack(SecretStr(system.connections.endpoints.slack)).send(f"Test of MITA's alerting ({test.key})")
    return test


@then("Slack has received it")
def _slack_has_it(system: System, test_event: Test) -> None:
    eventually(
        lambda: None if _received(system, test_event) else "it has not",
        subject="Slack",
        deadline=_DEADLINE,
        remedy="Look at the webhook's channel.",
    )


@given("a routing key that no service has", target_fixture="wrong_key")
def _wrong_key() -> SecretStr:
    return SecretStr(secrets.token_hex(16))


@when("a test event is sent with it", target_fixture="failure")
def _wrongly_sent(system: System, wrong_key: SecretStr) -> ServiceError:
    with pytest.raises(ServiceError) as failed:
        _pagerduty(system, wrong_key).trigger("Test", source="a scenario", severity="info")
    return failed.value


@then("the failure says that PagerDuty refused it, without the key")
def _failure_is_clear(failure: ServiceError, wrong_key: SecretStr) -> None:
    assert failure.subject == "PagerDuty"
    assert "status 400" in failure.seen
    assert wrong_key.get_secret_value() not in str(failure)
