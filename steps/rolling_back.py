"""Rollbacks by the guide's procedures, and the return from them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.cluster import Object
from deployer.errors import NotReadyError
from deployer.eventually import eventually
from deployer.kinds.releases import not_rolled_out
from deployer.rollback import LEGACY_KEYS, Rollback, Target
from steps.application import NAME, deployment_of, is_ready, pods_of
from steps.deploying import last_phase
from steps.parameters import phrase
from steps.synchronisation import held
from steps.system import System

_LEGACY = "mita-production-legacy-secrets"
_APPLICATION_KEY = "app/secret-key"
_REGRETTED = "mita.finance/regretted-at"
_LEGACY_NOTE = "mita.finance/legacy-secret"
# Where each value of the legacy secret is now: the cluster's secret and its key.
_NOW = {
    "DATABASE_URL": ("mita-production-database-credentials", "DATABASE_URL"),
    "REDIS_URL": ("mita-production-cache-credentials", "REDIS_URL"),
    "JWT_SECRET": ("mita-production-auth-secrets", "jwt-secret"),
    "JWT_PREVIOUS_SECRET": ("mita-production-auth-secrets", "jwt-previous-secret"),
    "SECRET_KEY": ("mita-production-app-secrets", "secret-key"),
    "OPENAI_API_KEY": ("mita-production-external-services", "openai-api-key"),
    "SENTRY_DSN": ("mita-production-external-services", "sentry-dsn"),
    "SMTP_USERNAME": ("mita-production-notification-credentials", "username"),
    "SMTP_PASSWORD": ("mita-production-notification-credentials", "password"),
}


def _rollback(system: System) -> Rollback:
    connections = system.environment.connections()
    return Rollback(connections, system.desired, state=system.receipts, on_secret=system.on_secret)


@pytest.fixture
def returning(system: System) -> Iterator[None]:
    """Return to what is desired at the end of the scenario."""
    yield
    _rollback(system).to(Target.SECRETS_MANAGER)


# ---- before


@given("the application was changed in a way that is regretted", target_fixture="template_before")
def _regretted(system: System, returning: None) -> Object:
    del returning  # from what it is changed to
    before: Object = deployment_of(system)["spec"]["template"]
    path = f"/apis/apps/v1/namespaces/{system.desired.namespace}/deployments/{NAME}"
    note = {_REGRETTED: datetime.now(UTC).isoformat()}
    body = {"spec": {"template": {"metadata": {"annotations": note}}}}
    system.cluster.call("PATCH", path, body=body, content="merge-patch+json", fieldManager="mita-features")
    eventually(
        lambda: not_rolled_out(deployment_of(system)),
        subject=f"deployment {NAME}",
        deadline=120.0,
        remedy="Look at its pods.",
    )
    return before


@given("the legacy secret from before is still there")
def _legacy_secret_is_there(system: System) -> Iterator[None]:
    with _legacy_secret(system):
        yield


@contextmanager
def _legacy_secret(system: System) -> Iterator[None]:
    """Keep the legacy secret for the length of a block, and return to Secrets Manager at its end."""
    assert set(_NOW) == LEGACY_KEYS
    values, metadata = held(system), {"name": _LEGACY, "namespace": system.desired.namespace}
    data = {key: values[name][at].get_secret_value() for key, (name, at) in _NOW.items()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
    system.cluster.apply(manifest)
    try:
        yield
    finally:
        _rollback(system).to(Target.SECRETS_MANAGER)
        system.cluster.delete(manifest)


@given("the application works with the legacy secret, and the operator is stopped")
def _rolled_back_twice(system: System) -> Iterator[None]:
    with _legacy_secret(system):
        _rollback(system).to(Target.LEGACY_SECRETS)
        _rollback(system).to(Target.OPERATOR_STOPPED)
        yield


@given("a value was changed in Secrets Manager meanwhile")
def _changed_meanwhile(system: System) -> None:
    value = SecretStr(secrets.token_urlsafe(48))
    system.on_secret("a changed application key", value)
    manager, name = system.aws("secretsmanager"), system.full_name(_APPLICATION_KEY)
    fields = json.loads(manager.get_secret_value(SecretId=name)["SecretString"])
    changed = json.dumps(fields | {"value": value.get_secret_value()})
    manager.put_secret_value(SecretId=name, SecretString=changed)


# ---- rolled back


@when("it is rolled back to the previous revision")
def _to_previous(system: System, began: float) -> None:
    del began  # what follows is what counts
    _rollback(system).to(Target.PREVIOUS_REVISION)


@when("it is rolled back by stopping the operator")
def _to_stopped(system: System, began: float, returning: None) -> None:
    del began, returning
    _rollback(system).to(Target.OPERATOR_STOPPED)


@when("it is rolled back to the legacy secret")
def _to_legacy(system: System, began: float) -> None:
    del began
    _rollback(system).to(Target.LEGACY_SECRETS)


@when("it is to be rolled back to a legacy secret that is not there", target_fixture="refusal")
def _to_legacy_in_vain(system: System) -> NotReadyError:
    with pytest.raises(NotReadyError) as refused:
        _rollback(system).to(Target.LEGACY_SECRETS)
    return refused.value


@when("it returns to Secrets Manager")
def _to_secrets_manager(system: System, began: float) -> None:
    del began
    _rollback(system).to(Target.SECRETS_MANAGER)


# ---- judged


@then("the application is as it was before the change")
def _as_before(system: System, template_before: Object) -> None:
    live = deployment_of(system)["spec"]["template"]
    assert _REGRETTED not in live["metadata"].get("annotations", {}), "the change is still there"
    assert live == template_before


@then("every pod works with the legacy secret")
def _legacy_pods(system: System) -> None:
    assert _sources(system) == {_LEGACY}


@then("every pod works with Secrets Manager's secrets")
def _current_pods(system: System) -> None:
    assert _sources(system) == {None}


def _sources(system: System) -> set[str | None]:
    """Return the legacy secret that each ready pod works with; None for Secrets Manager's."""
    pods = [pod for pod in pods_of(system) if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
    assert pods, "no pod is ready"
    return {pod["metadata"].get("annotations", {}).get(_LEGACY_NOTE) for pod in pods}


@then(phrase("the rollback is refused, and the reason names {what:Quoted}"))
def _refused(refusal: NotReadyError, what: str) -> None:
    assert what in str(refusal)


@then("nothing is left to deploy")
def _nothing_left(system: System) -> None:
    plan = system.deployment().plan(last_phase(system.environment))
    assert not plan.pending, "; ".join(f"{each.object}: {each.reason}" for each in plan.pending)
