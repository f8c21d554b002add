"""Phase 4: what the operator carries from AWS into the cluster."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.cluster import Object
from deployer.eventually import eventually
from deployer.rendering import condition
from steps.focus import Focus
from steps.operator import API
from steps.parameters import names, phrase
from steps.system import System, text_of

_DEADLINE = 300.0  # seconds; the guide's
_NUDGE = "mita.finance/scenario-nudged-at"

# Where each key of the application's secrets comes from: secret in AWS, field.
SOURCES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "mita-production-database-credentials": {
        name: ("database/primary", name)
        for name in ("username", "password", "host", "port", "database", "connection_string")
    },
    "mita-production-auth-secrets": {
        "jwt-secret": ("auth/jwt-secret", "value"),
        "jwt-previous-secret": ("auth/jwt-previous-secret", "value"),
    },
    "mita-production-app-secrets": {"secret-key": ("app/secret-key", "value")},
    "mita-production-cache-credentials": {
        **{name: ("cache/redis-auth", name) for name in ("password", "host", "port", "connection_string")},
        "REDIS_URL": ("cache/redis-auth", "connection_string"),
    },
    "mita-production-external-services": {
        "openai-api-key": ("external/openai-api-key", "value"),
        "sentry-dsn": ("monitoring/sentry-dsn", "value"),
    },
    "mita-production-notification-credentials": {
        name: ("notifications/smtp-credentials", name) for name in ("username", "password")
    },
}
_APPLICATION_KEY = "mita-production-app-secrets"


# ---- readiness


@when("the external secrets of the application are examined", target_fixture="external_secrets")
def _external_secrets_examined(system: System, focus: Focus) -> dict[str, Object | None]:
    namespace = system.desired.namespace
    return {name: system.cluster.get(focus.on(API, "ExternalSecret", name, namespace)) for name in SOURCES}


@then("all six of them are ready")
def _all_ready(external_secrets: dict[str, Object | None]) -> None:
    assert len(external_secrets) == 6  # noqa: PLR2004  the number that the feature names
    for name, live in external_secrets.items():
        assert live is not None, f"{name} is not there"
        ready = condition(live, "Ready")
        assert ready is not None, f"the operator has not looked at {name}"
        assert ready["status"] == "True", f"{name}: {ready.get('reason')}: {ready.get('message')}"


@then(phrase("it became ready within {seconds:d} seconds"))
def _ready_in_time(examined: Object, seconds: int) -> None:
    ready = condition(examined, "Ready")
    assert ready is not None
    assert ready["status"] == "True", f"{ready.get('reason')}: {ready.get('message')}"
    made = datetime.fromisoformat(examined["metadata"]["creationTimestamp"])
    took = datetime.fromisoformat(ready["lastTransitionTime"]) - made
    assert took <= timedelta(seconds=seconds), f"it took {took}"


@then(phrase("it is not ready, and the reason names the missing {what:Words}"))
def _not_ready_because(system: System, examined: Object, what: str) -> None:
    ready = condition(examined, "Ready")
    assert ready is not None
    assert ready["status"] == "False", "it is ready"
    missing = {"secret": "app/no-such-secret", "service account": "no-such-account"}[what]
    uid = examined["metadata"]["uid"]

    def unsaid() -> str | None:
        events = system.cluster.list(
            "v1", "Event", examined["metadata"]["namespace"], fieldSelector=f"involvedObject.uid={uid}"
        )
        told = [ready.get("message", ""), *(event.get("message", "") for event in events)]
        return None if any(missing in text for text in told) else f"it only says: {told}"

    eventually(
        unsaid,
        subject=f"reason of {examined['metadata']['name']}",
        deadline=10.0,
        remedy=f"It has to name {missing}.",
    )


# ---- content


@when("the application's secrets in the cluster are examined", target_fixture="held")
@when("the application's secrets in the cluster are compared with AWS by fingerprint", target_fixture="held")
def _secrets_examined(system: System, focus: Focus) -> dict[str, dict[str, SecretStr]]:
    for name in SOURCES:
        focus.on(API, "ExternalSecret", name, system.desired.namespace)
    return held(system)


def held(system: System) -> dict[str, dict[str, SecretStr]]:
    """Read the application's secrets in the cluster."""
    return {name: _data(system, name) for name in SOURCES}


def _data(system: System, name: str) -> dict[str, SecretStr]:
    live = system.cluster.get(_secret(system, name))
    assert live is not None, f"there is no secret {name}"
    return {key: SecretStr(base64.b64decode(value).decode()) for key, value in live.get("data", {}).items()}


def _secret(system: System, name: str) -> Object:
    metadata = {"name": name, "namespace": system.desired.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


@then("each has exactly these keys:")
def _keys_are(held: dict[str, dict[str, SecretStr]], datatable: list[list[str]]) -> None:
    expected = {name: set(names(keys)) for name, keys in datatable[1:]}
    assert {name: set(data) for name, data in held.items()} == expected


@then("every value is the one in AWS")
def _values_are_aws(system: System) -> None:
    wrong = list(differing(system))
    assert not wrong, f"these differ from AWS: {', '.join(wrong)}"


def differing(system: System) -> Iterator[str]:
    """Name the keys of the application's secrets whose values are not those in AWS."""
    stored = {secret.name: system.stored(secret.name) for secret in system.desired.secrets}
    for name, data in held(system).items():
        for key, (secret, field) in SOURCES[name].items():
            if key not in data or not system.fingerprints.same(data[key], text_of(stored[secret][field])):
                yield f"{name}.{key}"
    libpq = text_of(stored["database/primary"]["connection_string"]).replace("+asyncpg", "", 1)
    name = "mita-production-database-credentials"
    if not system.fingerprints.same(_data(system, name).get("DATABASE_URL", SecretStr("")), libpq):
        yield f"{name}.DATABASE_URL"


def nudge(system: System, manifest: Object) -> None:
    """Have whoever looks after an object, operator or node, look at it now."""
    system.cluster.nudge(manifest, {_NUDGE: datetime.now(UTC).isoformat()})


def synchronise(system: System) -> None:
    """Have the operator look now, and wait until what it carries is what AWS holds."""
    for name in SOURCES:
        metadata = {"name": name, "namespace": system.desired.namespace}
        manifest = {"apiVersion": API, "kind": "ExternalSecret", "metadata": metadata}
        nudge(system, manifest)
    eventually(
        lambda: ", ".join(differing(system)) or None,
        subject="the application's secrets in the cluster",
        deadline=60.0,
        remedy="Look at the operator's log.",
    )


# ---- tampering


@given("somebody changed the application's key in the cluster", target_fixture="tampered")
def _tampered(system: System, focus: Focus) -> Iterator[Object]:
    focus.on(API, "ExternalSecret", _APPLICATION_KEY, system.desired.namespace)
    path = f"/api/v1/namespaces/{system.desired.namespace}/secrets/{_APPLICATION_KEY}"
    forged = SecretStr(secrets.token_urlsafe(32))
    system.on_secret("a forged application key", forged)
    body = {"data": {"secret-key": base64.b64encode(forged.get_secret_value().encode()).decode()}}
    try:
        yield system.cluster.call("PATCH", path, body=body, content="merge-patch+json")
    finally:
        synchronise(system)


@when("the operator has noticed it")
def _noticed(system: System, tampered: Object) -> None:
    def unchanged() -> str | None:
        live = system.cluster.get(_secret(system, _APPLICATION_KEY))
        return "the forged key is still there" if live and live["data"] == tampered["data"] else None

    eventually(
        unchanged,
        subject=_APPLICATION_KEY,
        deadline=_DEADLINE,
        remedy="Look at the operator's log.",
        longest_pause=0.25,
    )
