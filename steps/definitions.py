"""Definitions that a scenario makes: submitted for the webhook's judgement, or kept for a while."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_bdd import given, then, when

from deployer.cluster import Cluster, ClusterError, Object
from deployer.eventually import eventually
from deployer.rendering import condition
from steps.focus import Focus
from steps.operator import API
from steps.parameters import phrase
from steps.system import System

_DEADLINE = 300.0  # seconds; the guide's
_KINDS = {
    "secret store": "SecretStore",
    "cluster secret store": "ClusterSecretStore",
    "external secret": "ExternalSecret",
}

Json = dict[str, Any]


def definition(system: System, kind: str, name: str, spec: Json) -> Object:
    """Return a definition in the application's namespace."""
    metadata = {"name": name} | (
        {} if kind == "ClusterSecretStore" else {"namespace": system.desired.namespace}
    )
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _store(system: System, **jwt: str) -> Json:
    account = {"name": "mita-external-secrets", **jwt}
    return {
        "provider": {
            "aws": {
                "service": "SecretsManager",
                "region": system.connections.region,
                "auth": {"jwt": {"serviceAccountRef": account}},
            }
        }
    }


def _external_secret(target: str, *keys: str) -> Json:
    data = [{"secretKey": "value", "remoteRef": {"key": key, "property": "value"}} for key in keys]
    return {
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "SecretStore", "name": "mita-production-secrets"},
        "target": {"name": target, "creationPolicy": "Owner"},
        "data": data,
    }


def well_formed(system: System, what: str) -> Json:
    """Return the specification of a definition that can work."""
    if what == "external secret":
        return _external_secret("scenario", system.full_name("app/secret-key"))
    return (
        _store(system, namespace=system.desired.namespace)
        if what == "cluster secret store"
        else _store(system)
    )


def _defective(system: System, what: str, defect: str) -> Json:
    spec = well_formed(system, what)
    if defect == "an unknown AWS region":
        spec["provider"]["aws"]["region"] = "mars-north-1"
    elif defect == "a service account somewhere else":
        spec = _store(system, namespace="kube-system")
    elif defect == "nothing to fetch":
        spec["data"] = []
    elif defect == "a deletion that it has no right to":
        spec["target"] |= {"creationPolicy": "Merge", "deletionPolicy": "Delete"}
    else:
        msg = f"no definition has {defect}"
        raise LookupError(msg)
    return spec


# ---- submitted


def _submit(system: System, what: str, spec: Json) -> ClusterError | None:
    """Create a definition for the sake of the answer only: nothing is kept."""
    manifest = definition(system, _KINDS[what], "scenario-" + secrets.token_hex(4), spec)
    resource = system.cluster.resource(API, manifest["kind"])
    assert resource is not None, f"the cluster does not serve {manifest['kind']}"
    namespace = f"/namespaces/{system.desired.namespace}" if resource.namespaced else ""
    try:
        system.cluster.call("POST", f"/apis/{API}{namespace}/{resource.plural}", body=manifest, dryRun="All")
    except ClusterError as refusal:
        return refusal
    return None


@when(phrase("a {what:Words} with {defect} is submitted"), target_fixture="refusal")
def _defective_submitted(system: System, what: str, defect: str) -> ClusterError | None:
    return _submit(system, what, _defective(system, what, defect))


@when(phrase("a well-formed {what:Words} is submitted"), target_fixture="refusal")
def _well_formed_submitted(system: System, what: str) -> ClusterError | None:
    return _submit(system, what, well_formed(system, what))


@then(phrase("the operator's webhook refuses it, because of {reason:Quoted}"))
def _webhook_refuses(refusal: ClusterError | None, reason: str) -> None:
    assert refusal is not None, "it was accepted"
    assert "admission webhook" in refusal.message, f"somebody else refused it: {refusal}"
    assert "external-secrets.io" in refusal.message, f"another webhook refused it: {refusal}"
    assert reason in refusal.message, f"it was refused for another reason: {refusal}"


@then("it is accepted")
def _is_accepted(refusal: ClusterError | None) -> None:
    assert refusal is None, str(refusal)


# ---- kept for a while


@pytest.fixture
def looked_at() -> Object:
    """The object that the operator is to look at, set by a Given."""
    pytest.fail("no Given has made an object for the operator to look at")


def keep(system: System, focus: Focus, manifest: Object) -> Iterator[Object]:
    """Make an object, and delete it with what the operator made of it when the scenario ends."""
    cluster = Cluster(system.connections.kubernetes)
    focus.on(API, manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace"))
    resource = cluster.resource(API, manifest["kind"])
    assert resource is not None, f"the cluster does not serve {manifest['kind']}"
    path = f"/apis/{API}/namespaces/{manifest['metadata']['namespace']}/{resource.plural}"
    cluster.call("POST", path, body=manifest, fieldManager="mita-features")
    try:
        yield manifest
    finally:
        cluster.delete(manifest)
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": manifest["metadata"]}
        eventually(
            lambda: "it is still there" if cluster.get(manifest) or cluster.get(made) else None,
            subject=f"deletion of {manifest['metadata']['name']}",
            deadline=30.0,
            remedy="Look at its finalizers.",
        )


@given("a new external secret for the application's key", target_fixture="looked_at")
def _new_external_secret(system: System, focus: Focus) -> Iterator[Object]:
    name = "scenario-" + secrets.token_hex(4)
    spec = _external_secret(name, system.full_name("app/secret-key"))
    yield from keep(system, focus, definition(system, "ExternalSecret", name, spec))


@given("a new external secret for a secret that AWS does not have", target_fixture="looked_at")
def _external_secret_without_counterpart(system: System, focus: Focus) -> Iterator[Object]:
    name = "scenario-" + secrets.token_hex(4)
    spec = _external_secret(name, system.full_name("app/no-such-secret"))
    yield from keep(system, focus, definition(system, "ExternalSecret", name, spec))


@given("a secret store that names a service account that does not exist", target_fixture="looked_at")
def _store_without_account(system: System, focus: Focus) -> Iterator[Object]:
    spec = _store(system, name="no-such-account")
    yield from keep(
        system, focus, definition(system, "SecretStore", "scenario-" + secrets.token_hex(4), spec)
    )


@when("the operator has looked at it", target_fixture="examined")
def _operator_has_looked(system: System, looked_at: Object) -> Object:
    def missing() -> str | None:
        live = system.cluster.get(looked_at)
        return None if live and condition(live, "Ready") else "it has no Ready condition yet"

    name = looked_at["metadata"]["name"]
    eventually(
        missing, subject=name, deadline=_DEADLINE, remedy="Look at the operator's log.", longest_pause=0.25
    )
    live = system.cluster.get(looked_at)
    assert live is not None, f"{name} went away"
    return live
