"""Phase 4: how a changed secret gets to the running application."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.eventually import eventually
from steps.application import NAME, is_ready, pods_of
from steps.focus import Focus
from steps.parameters import phrase
from steps.synchronisation import synchronise
from steps.system import System
from steps.tokens import present, signed

_SECRET = "auth/jwt-previous-secret"  # noqa: S105  a name
# So many answers in a row that it is next to impossible that one of three pods gave none of them.
_ENOUGH_ANSWERS = 30
_RESTORED_SECONDS = 120.0  # from the cluster's secret to the pods
_OK = 200


@dataclass(frozen=True, slots=True)
class Changed:
    """A secret that was changed.

    Attributes:
        key: Its new value.
        at: When it was stored, by the monotonic clock.
    """

    key: SecretStr
    at: float


@given("the application's pods as they are", target_fixture="restarts")
def _pods_as_they_are(system: System, focus: Focus) -> Mapping[str, int]:
    focus.on("apps/v1", "Deployment", NAME, system.desired.namespace)
    focus.on(
        "external-secrets.io/v1beta1", "ExternalSecret", f"{NAME}-auth-secrets", system.desired.namespace
    )
    return _restarts(system)


def _restarts(system: System) -> dict[str, int]:
    return {
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
        for pod in pods_of(system)
        if is_ready(pod)
    }


@when("the previous JWT secret is changed in Secrets Manager", target_fixture="changed")
def _previous_secret_changed(system: System) -> Iterator[Changed]:
    manager, name = system.aws("secretsmanager"), system.full_name(_SECRET)
    before = manager.get_secret_value(SecretId=name)["SecretString"]
    key = SecretStr(secrets.token_urlsafe(32))
    system.on_secret("a changed JWT secret", key)
    changed = json.loads(before) | {"value": key.get_secret_value()}
    try:
        manager.put_secret_value(SecretId=name, SecretString=json.dumps(changed))
        yield Changed(key, time.monotonic())
    finally:
        manager.put_secret_value(SecretId=name, SecretString=before)
        synchronise(system)
        _await_acceptance(system, SecretStr(json.loads(before)["value"]), _RESTORED_SECONDS)


@then(phrase("within {seconds:d} seconds every pod accepts tokens that are signed with it"))
def _accepted_within(system: System, changed: Changed, seconds: int) -> None:
    _await_acceptance(system, changed.key, seconds - (time.monotonic() - changed.at))


def _await_acceptance(system: System, key: SecretStr, seconds: float) -> None:
    """Wait until every pod accepts tokens that are signed with a key."""
    token = signed(system, key.get_secret_value(), lasting=timedelta(seconds=seconds + 60))

    def refused() -> str | None:
        for _ in range(_ENOUGH_ANSWERS):
            status = present(system, token, on_new_connection=True).status
            if status != _OK:
                return f"it answers {status}"
        return None

    eventually(
        refused,
        subject="tokens signed with the changed secret",
        deadline=seconds,
        remedy="Look at the ExternalSecret and at the application's log.",
    )


@then("no pod was restarted or replaced for it")
def _same_pods(system: System, restarts: Mapping[str, int]) -> None:
    assert _restarts(system) == restarts
