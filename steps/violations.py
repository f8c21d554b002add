"""Violations of the controls, made for a while and undone by what made them."""

from __future__ import annotations

import contextlib
import json
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deployer.compliance.waivers import Waiver
from deployer.connections import Endpoints
from deployer.eventually import eventually
from steps.selfsigned import serve_tls
from steps.system import Candidate, System

_RBAC = "rbac.authorization.k8s.io/v1"
_DAY = 86_400  # seconds
_DEADLINE = 30.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Violated:
    """What a validation is given while a violation is there.

    Attributes:
        candidate: What is validated, where it is not the system as it stands.
        trees: Source trees to search.
        waivers: Waivers held.
    """

    candidate: Candidate | None = None
    trees: tuple[Path, ...] = ()
    waivers: tuple[Waiver, ...] = field(default=())


Violation = Callable[[System, Path], AbstractContextManager[Violated]]


def _everybody(action: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# ---- AWS


@contextlib.contextmanager
def _key_is_not_rotated(system: System, _directory: Path) -> Iterator[Violated]:
    kms = system.aws("kms")
    key = kms.describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["KeyId"]
    kms.disable_key_rotation(KeyId=key)
    try:
        yield Violated()
    finally:
        kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=system.desired.key.rotation_days)


@contextlib.contextmanager
def _key_admits_everybody(system: System, _directory: Path) -> Iterator[Violated]:
    kms = system.aws("kms")
    key = kms.describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["KeyId"]
    before = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=_everybody("kms:*"))
    try:
        yield Violated()
    finally:
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=before)


@contextlib.contextmanager
def _secret(system: System, **options: str) -> Iterator[str]:
    """Keep another secret below the prefix for a while."""
    manager, name = system.aws("secretsmanager"), system.full_name("scenario-" + secrets.token_hex(4))
    value = json.dumps({"value": secrets.token_urlsafe(32)})
    manager.create_secret(Name=name, SecretString=value, **options)
    try:
        yield name
    finally:
        manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@contextlib.contextmanager
def _secret_on_a_key_of_aws(system: System, _directory: Path) -> Iterator[Violated]:
    with _secret(system):
        yield Violated()


@contextlib.contextmanager
def _secret_admits_everybody(system: System, _directory: Path) -> Iterator[Violated]:
    key = system.aws("kms").describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["Arn"]
    with _secret(system, KmsKeyId=key) as name:
        policy = _everybody("secretsmanager:GetSecretValue")
        system.aws("secretsmanager").put_resource_policy(SecretId=name, ResourcePolicy=policy)
        yield Violated()


# ---- the cluster


@contextlib.contextmanager
def _object(system: System, version: str, kind: str, **content: Any) -> Iterator[Json]:  # noqa: ANN401  any JSON
    """Keep an object of the application's namespace for a while."""
    name = "scenario-" + secrets.token_hex(4)
    metadata = {"name": name, "namespace": system.desired.namespace}
    manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
    system.cluster.apply(manifest)
    try:
        yield manifest
    finally:
        system.cluster.delete(manifest)
        eventually(
            lambda: f"{kind} {name} is still there" if system.cluster.get(manifest) else None,
            subject=f"{kind} {name}",
            deadline=_DEADLINE,
            remedy="See what keeps it: its finalizers.",
        )


def _pod(system: System, container: Json, **spec: Any) -> AbstractContextManager[Json]:  # noqa: ANN401  any JSON
    """Keep a pod for a while that no node takes: what it asks for is judged, and nothing runs."""
    whole = {
        "nodeSelector": {"mita.finance/scenario": "nowhere"},
        "automountServiceAccountToken": False,
        "containers": [{"name": "scenario", "image": "scenario", **container}],
        **spec,
    }
    return _object(system, "v1", "Pod", spec=whole)


@contextlib.contextmanager
def _literal_in_a_pod(system: System, _directory: Path) -> Iterator[Violated]:
    variable = {"name": "SCENARIO_PASSWORD", "value": secrets.token_urlsafe(32)}
    with _pod(system, {"env": [variable]}):
        yield Violated()


@contextlib.contextmanager
def _token_of_a_day(system: System, _directory: Path) -> Iterator[Violated]:
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": _DAY}}
    volume = {"name": "token", "projected": {"sources": [token]}}
    with _pod(system, {"volumeMounts": [{"name": "token", "mountPath": "/token"}]}, volumes=[volume]):
        yield Violated()


@contextlib.contextmanager
def _secret_in_a_config_map(system: System, _directory: Path) -> Iterator[Violated]:
    with _object(system, "v1", "ConfigMap", data={"api_key": secrets.token_urlsafe(32)}):
        yield Violated()


@contextlib.contextmanager
def _strange_reader(system: System, _directory: Path) -> Iterator[Violated]:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    with _object(system, _RBAC, "Role", rules=[rule]) as role:
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": system.desired.namespace}
        reference = {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": role["metadata"]["name"],
        }
        with _object(system, _RBAC, "RoleBinding", roleRef=reference, subjects=[subject]):
            yield Violated()


# ---- what surrounds them


@contextlib.contextmanager
def _certificate_of_its_own(system: System, directory: Path) -> Iterator[Violated]:
    with serve_tls(directory, oldest=ssl.TLSVersion.TLSv1_2) as address:
        endpoints = Endpoints(application=f"https://{address}")
        yield Violated(candidate=system.candidate.to(endpoints=endpoints))


@contextlib.contextmanager
def _secret_in_a_manifest(_system: System, directory: Path) -> Iterator[Violated]:
    tree, _ = source_tree_with_secret(directory)
    yield Violated(trees=(tree,))


@contextlib.contextmanager
def _lapsed_waiver(_system: System, _directory: Path) -> Iterator[Violated]:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    waiver = Waiver(control="secret-age", owner="scenario", reason="it is over", expires=yesterday)
    yield Violated(waivers=(waiver,))


def source_tree_with_secret(directory: Path) -> tuple[Path, str]:
    """Make a source tree whose manifest has a secret in its third line; return it and the secret."""
    tree, value = directory / "source", secrets.token_urlsafe(32)
    tree.mkdir()
    (tree / "values.yaml").write_text(f"database:\n  host: db\n  password: {value}\n")
    (tree / "README").write_text("Nothing to find here.\n")
    return tree, value


VIOLATIONS: Mapping[str, Violation] = MappingProxyType(
    {
        "the key is no longer rotated": _key_is_not_rotated,
        "the key's policy admits everybody": _key_admits_everybody,
        "a secret lies on AWS' own key": _secret_on_a_key_of_aws,
        "a secret's policy admits everybody": _secret_admits_everybody,
        "a pod has a secret as a literal": _literal_in_a_pod,
        "a ConfigMap holds a secret": _secret_in_a_config_map,
        "a strange account may read Secrets": _strange_reader,
        "a pod asks for a token of a day": _token_of_a_day,
        "the application shows a certificate of its own": _certificate_of_its_own,
        "a manifest has a secret in it": _secret_in_a_manifest,
        "a waiver has lapsed": _lapsed_waiver,
    }
)
"""By the words of the feature files."""
