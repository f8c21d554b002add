"""What is read of the cluster: its store, audit log, roles, pods and webhook."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from deployer.cluster import Cluster
from deployer.compliance.sources.readers import may_read, read_readers
from deployer.compliance.sources.store import newest_use_of_secrets, stored_secrets
from deployer.compliance.sources.webhook import try_webhook
from deployer.compliance.sources.workloads import read_workloads
from deployer.errors import NotReadyError
from deployer.fingerprint import Fingerprints

NAMESPACE = "mita-production"
SECRET_TEXT = "hunter2-hunter2"


class Listed:
    """A cluster that lists what it was given, by kind."""

    def __init__(self, objects: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self._objects = objects

    def list(self, _version: str, kind: str, namespace: str | None = None, **query: str) -> list[Any]:
        return [
            {"kind": kind, **each}
            for each in self._objects.get(kind, ())
            if namespace in (None, each["metadata"].get("namespace"))
            and query.get("fieldSelector", "type=").partition("=")[2] in ("", each.get("type"))
        ]


def cluster(**objects: Sequence[Mapping[str, Any]]) -> Cluster:
    return cast("Cluster", Listed(objects))


def named(name: str, namespace: str | None = NAMESPACE) -> dict[str, Any]:
    return {"metadata": {"name": name} | ({"namespace": namespace} if namespace else {})}


# ---- the store


def test_secrets_in_the_store_are_told_apart_by_who_encrypted_them() -> None:
    state = b"\n".join(
        (
            b"/registry/configmaps/a/plain\nk8s\x00...",
            b"/registry/secrets/a/boxed\nk8s:enc:secretbox:v1:run:\x00\x01",
            b"/registry/secrets/a/kms.v2\nk8s:enc:kms:v2:aws:\x00\x01",
            b"/registry/secrets/a/as-it-is\nk8s:enc:identity:v1:\x00",
            b"/registry/secrets/b/plain\nk8s\x00\n\x0c\n\x02v1\x12\x06Secret",
            b"/registry/services/c\nx",
        )
    )
    assert stored_secrets(state) == {
        "a/boxed": "secretbox",
        "a/kms.v2": "kms",
        "a/as-it-is": None,
        "b/plain": None,
    }


def _record(resource: str, moment: str) -> bytes:
    record = {"objectRef": {"resource": resource}, "stageTimestamp": moment}
    return json.dumps(record, separators=(",", ":")).encode()


def test_the_newest_use_of_secrets_in_an_audit_log() -> None:
    log = b"\n".join(
        (
            b'cut short"resource":"secrets"}',
            _record("secrets", "2026-03-02T11:00:00.5Z"),
            _record("secrets", "2026-03-02T10:00:00Z"),
            _record("pods", "2026-03-02T12:00:00Z"),
        )
    )
    assert newest_use_of_secrets(log).newest == datetime(2026, 3, 2, 11, 0, 0, 500_000, tzinfo=UTC)
    assert newest_use_of_secrets(b"").newest is None


# ---- who reads Secrets


def rule(**changes: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], **changes}


@pytest.mark.parametrize(
    ("given", "reads"),
    [
        (rule(), True),
        (rule(verbs=["list"]), True),
        (rule(verbs=["watch"]), True),
        (rule(verbs=["*"], resources=["*"], apiGroups=["*"]), True),
        (rule(resourceNames=["one"]), True),
        (rule(verbs=["create", "delete"]), False),
        (rule(resources=["configmaps"]), False),
        (rule(apiGroups=["apps"]), False),
    ],
)
def test_which_rules_let_read(*, given: dict[str, Any], reads: bool) -> None:
    assert may_read({"rules": [given]}) is reads


def binding(name: str, role: tuple[str, str], *subjects: Mapping[str, str]) -> dict[str, Any]:
    return {"roleRef": {"kind": role[0], "name": role[1]}, "subjects": list(subjects), **named(name)}


def test_readers_are_those_bound_to_such_a_role() -> None:
    found = read_readers(
        cluster(
            ClusterRole=[{**named("view", None), "rules": [rule()]}, {**named("idle", None), "rules": None}],
            Role=[{**named("one"), "rules": [rule()]}, {**named("one", "elsewhere"), "rules": [rule()]}],
            ClusterRoleBinding=[
                binding("all", ("ClusterRole", "view"), {"kind": "Group", "name": "ops"}),
                binding("none", ("ClusterRole", "idle"), {"kind": "Group", "name": "others"}),
            ],
            RoleBinding=[
                binding("here", ("ClusterRole", "view"), {"kind": "ServiceAccount", "name": "default"}),
                binding("own", ("Role", "one"), {"kind": "User", "name": "ann"}),
                {
                    **binding("there", ("Role", "one"), {"kind": "User", "name": "bob"}),
                    **named("there", "elsewhere"),
                },
            ],
        ),
        NAMESPACE,
    )
    assert [(reader.subject, reader.binding) for reader in found] == [
        ("Group ops", "ClusterRoleBinding all"),
        (f"ServiceAccount {NAMESPACE}/default", "RoleBinding here"),
        ("User ann", "RoleBinding own"),
    ]


# ---- workloads


def test_literals_tokens_and_config_maps() -> None:
    token = {"serviceAccountToken": {"audience": "vault", "expirationSeconds": 86_400}}
    pod = {
        **named("app"),
        "spec": {
            "initContainers": [{"name": "first", "args": [f"--password={SECRET_TEXT}", "--quiet"]}],
            "containers": [
                {
                    "name": "main",
                    "env": [
                        {"name": "DB_PASSWORD", "value": SECRET_TEXT},
                        {
                            "name": "REFERRED_PASSWORD",
                            "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}},
                        },
                        {"name": "HOST", "value": "db"},
                    ],
                }
            ],
            "volumes": [{"name": "tokens", "projected": {"sources": [token, {"serviceAccountToken": {}}]}}],
        },
    }
    lasting = {**named("old-token"), "type": "kubernetes.io/service-account-token"}
    found = read_workloads(
        cluster(
            Pod=[pod, {**named("app", "elsewhere"), "spec": pod["spec"]}],
            ConfigMap=[
                {**named("settings"), "data": {"api_key": SECRET_TEXT, "level": "info"}},
                named("empty"),
            ],
            Secret=[lasting, {**named("other"), "type": "Opaque"}],
        ),
        (NAMESPACE,),
        Fingerprints(),
    )
    assert found.containers == 2
    assert [suspect.place for suspect in found.literals] == [
        f"pod {NAMESPACE}/app container first argument 1",
        f"pod {NAMESPACE}/app container main variable DB_PASSWORD",
    ]
    assert [suspect.place for suspect in found.config_maps] == [f"configmap {NAMESPACE}/settings key api_key"]
    assert [(each.audience, each.seconds) for each in found.tokens] == [("vault", 86_400), ("", 3600)]
    assert found.lasting_tokens == (f"secret {NAMESPACE}/old-token",)
    assert SECRET_TEXT not in repr(found)


# ---- the webhook


def _webhook(bundle: str) -> Cluster:
    service = {"namespace": "operator", "name": "webhook"}
    client = {"clientConfig": {"service": service, "caBundle": bundle}}
    return cluster(ValidatingWebhookConfiguration=[{**named("validate", None), "webhooks": [client]}])


def test_a_webhook_without_an_authority_is_not_trusted() -> None:
    assert try_webhook(_webhook(""), "operator", None).untrusted


def test_no_webhook_is_no_pass() -> None:
    with pytest.raises(NotReadyError):
        try_webhook(_webhook(""), "elsewhere", None)
