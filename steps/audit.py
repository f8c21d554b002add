"""Phase 7: who read secrets, by the audit trails of AWS and of the cluster."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import kubernetes.client
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.cluster import Cluster
from deployer.desired import SMOKE_ACCOUNT
from deployer.eventually import eventually
from environments.guard import ReadOnlyEnvironment
from environments.protocol import Capability, ClusterAuditReader
from evidence.readers import Reading, aws_readings, cluster_readings, unexpected
from evidence.redaction import Redactor
from evidence.trail import records
from steps.identity import operators_role, service_account_token
from steps.rights import SCRATCH, assume, desired_role, scratch_role
from steps.system import System

_HOUR = timedelta(hours=1)
_SESSION = "unexpected-reader"
_APPLICATION_KEY = "app/secret-key"
_CLUSTER_KEY = "mita-production-app-secrets"
# AWS' trail may lag behind what happens.
_TRAIL_SECONDS = 900.0
_OPERATOR = "system:serviceaccount:external-secrets-system:external-secrets"
_CONTROL_PLANE = (
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:serviceaccount:kube-system:generic-garbage-collector",
)
_NODE = "system:node:"

Json = dict[str, Any]


def trail_readings(system: System, since: datetime) -> list[Reading]:
    """Look up the reads of production's secrets in AWS' audit trail, newest first."""
    return list(
        aws_readings(
            records(system.aws("cloudtrail"), "GetSecretValue", since), system.desired.secret_store.prefix
        )
    )


def expected_readers(system: System) -> dict[str, set[str]]:
    """Return who is meant to read secrets: the names that the trails have for those that features name."""
    roles = ("the operator's role", "the rotation's role", "the smoke run's role")
    return {
        "the deployer": _deployers(system),
        **{which: {desired_role(system, which).name} for which in roles},
        "the cluster's administrator": _administrators(system),
        "the cluster's own servers": set(_CONTROL_PLANE),
        "the operator": {_OPERATOR},
        "the smoke run": {"system:serviceaccount:" + SMOKE_ACCOUNT.replace("/", ":")},
    }


def known_readers(system: System) -> set[str]:
    """Return the names of all who are meant to read secrets."""
    return {name for names in expected_readers(system).values() for name in names}


def _deployers(system: System) -> set[str]:
    if isinstance(system.environment, ReadOnlyEnvironment):  # whoever reads there does not deploy
        return set(system.environment.deployers)
    arn: str = system.aws("sts").get_caller_identity()["Arn"]
    return {arn.split("/")[1] if ":assumed-role/" in arn else arn.rpartition("/")[2].rpartition(":")[2]}


def _administrators(system: System) -> set[str]:
    """Ask the cluster who we are, where its audit log is to be had at all."""
    if not isinstance(system.environment, ClusterAuditReader):
        return set()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = system.cluster.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    return {answer["status"]["userInfo"]["username"]}


def strangers(system: System, since: datetime) -> list[Reading]:
    """Return the first read since a moment of each reader who is not meant to, from every trail there is."""
    known = known_readers(system) | system.planted_readers
    capabilities, found = system.environment.capabilities, []
    if Capability.AUDIT_TRAIL in capabilities:
        found += unexpected(trail_readings(system, since), known)
    if isinstance(system.environment, ClusterAuditReader):
        readings = list(cluster_readings(system.environment.cluster_audit(), system.desired.namespace))
        nodes = {each.reader for each in readings if each.reader.startswith(_NODE)}
        recent = [each for each in readings if datetime.fromisoformat(each.moment) >= since]
        found += unexpected(recent, known | nodes)
    return found


# ---- planted readers


@given("somebody read the application's key with a role of their own", target_fixture="planted")
def _planted_reader(system: System) -> Iterator[str]:
    yield from role_that_reads(system, _SESSION)


def role_that_reads(system: System, session: str) -> Iterator[str]:
    """Make a role that has no business with secrets read the application's key, and remove it at the end."""
    name = system.full_name(_APPLICATION_KEY)
    described = system.aws("secretsmanager").describe_secret(SecretId=name)
    key = system.aws("kms").describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": described["ARN"]},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key},
    ]
    for role in scratch_role(system, {"read": {"Version": "2012-10-17", "Statement": statements}}):
        assume(system, role, session)("secretsmanager").get_secret_value(SecretId=name)
        yield role


@given("a service account of its own read the application's key in the cluster", target_fixture="planted")
def _planted_account(system: System) -> Iterator[str]:
    namespace, name = system.desired.namespace, SCRATCH + secrets.token_hex(4)
    metadata = {"name": name, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [_CLUSTER_KEY], "verbs": ["get"]}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    manifests: list[Json] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [subject],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        },
    ]
    reader = f"system:serviceaccount:{namespace}:{name}"
    try:
        for manifest in manifests:
            system.cluster.apply(manifest)
        token = service_account_token(system, f"{namespace}/{name}", system.connections.cluster.oidc_issuer)
        system.plant_reader(reader)
        _read_in_cluster(system, token)
        yield reader
    finally:
        for manifest in reversed(manifests):
            system.cluster.delete(manifest)


def _read_in_cluster(system: System, token: SecretStr) -> None:
    ours = system.connections.kubernetes.configuration
    theirs = kubernetes.client.Configuration()
    theirs.host, theirs.ssl_ca_cert = ours.host, ours.ssl_ca_cert
    theirs.api_key = {"authorization": f"Bearer {token.get_secret_value()}"}
    cluster = Cluster(kubernetes.client.ApiClient(theirs))
    path = f"/api/v1/namespaces/{system.desired.namespace}/secrets/{_CLUSTER_KEY}"

    def refused() -> str | None:
        try:
            cluster.call("GET", path)
        except Exception as error:  # noqa: BLE001  a binding takes effect a moment after it is made
            return f"{type(error).__name__}"
        return None

    eventually(refused, subject="a scenario's service account", deadline=10.0, remedy="Look at its binding.")


@given("somebody stored a value and read it again", target_fixture="stored_value")
def _stored_and_read(system: System) -> Iterator[SecretStr]:
    manager, name = system.aws("secretsmanager"), SCRATCH + secrets.token_hex(8)
    value = SecretStr(secrets.token_urlsafe(32))
    system.on_secret("a value of a scenario", value)
    manager.create_secret(Name=name, SecretString=value.get_secret_value())
    try:
        manager.put_secret_value(SecretId=name, SecretString=value.get_secret_value())
        manager.get_secret_value(SecretId=name)
        yield value
    finally:
        manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


# ---- looked up


@when(
    "the reads of production's secrets in the last hour are looked up in AWS' audit trail",
    target_fixture="readings",
)
def _looked_up(system: System) -> list[Reading]:
    return trail_readings(system, datetime.now(UTC) - _HOUR)


@when(
    "the reads of the application's secrets are looked up in the cluster's audit log",
    target_fixture="readings",
)
def _looked_up_in_cluster(system: System) -> list[Reading]:
    assert isinstance(system.environment, ClusterAuditReader), "the environment does not give its audit log"
    return list(cluster_readings(system.environment.cluster_audit(), system.desired.namespace))


@when("the records of AWS' audit trail about it are looked up", target_fixture="records")
def _records_looked_up(system: System) -> list[Json]:
    since = datetime.now(UTC) - timedelta(minutes=1)
    trail = system.aws("cloudtrail")
    return [record for name in ("PutSecretValue", "GetSecretValue") for record in records(trail, name, since)]


# ---- judged


@then("the operator's reads are among them")
def _operator_reads(system: System, readings: Sequence[Reading]) -> None:
    role = operators_role(system).name
    assert role in {each.reader for each in readings}, "the operator's reads are not on record"


@then("the node's reads are among them")
def _node_reads(readings: Sequence[Reading]) -> None:
    assert any(each.reader.startswith(_NODE) for each in readings), "the node's reads are not on record"


@then("every reader is one of these:")
def _readers_are(system: System, readings: Sequence[Reading], datatable: list[list[str]]) -> None:
    meant = expected_readers(system)
    nodes = {each.reader for each in readings if each.reader.startswith(_NODE)}
    known: Mapping[str, set[str]] = meant | {"the node": nodes}
    expected = {name for (which,) in datatable[1:] for name in known[which]}
    found = unexpected(readings, expected | system.planted_readers)
    assert not found, "; ".join(map(str, found))


@then("that reader is named as unexpected, with the session")
def _named_with_session(system: System, planted: str) -> None:
    expected = known_readers(system)

    def unnamed() -> str | None:
        found = unexpected(trail_readings(system, datetime.now(UTC) - _HOUR), expected)
        named = {(each.reader, each.session) for each in found}
        return None if (planted, _SESSION) in named else f"named are only {sorted(named)}"

    eventually(
        unnamed, subject=planted, deadline=_TRAIL_SECONDS, remedy="Look at the trail for the role's reads."
    )


@then("that reader is named as unexpected")
def _named(system: System, readings: Sequence[Reading], planted: str) -> None:
    assert planted in {each.reader for each in unexpected(readings, known_readers(system))}


@then("both are on record")
def _both_on_record(records: Sequence[Json]) -> None:
    assert {"PutSecretValue", "GetSecretValue"} <= {record["eventName"] for record in records}


@then("no record shows the value")
def _no_value(records: Sequence[Json], stored_value: SecretStr) -> None:
    redactor = Redactor()
    redactor.register("the value", stored_value)
    shown = [record["eventName"] for record in records if redactor.find(json.dumps(record))]
    assert not shown, f"these records show it: {', '.join(shown)}"
