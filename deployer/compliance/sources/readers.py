"""Who may read Secrets, from the cluster's roles and bindings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployer.cluster import Cluster, Object
from deployer.compliance.facts import Reader

API = "rbac.authorization.k8s.io/v1"
_READING = {"get", "list", "watch", "*"}

Role = tuple[str, str | None, str]


def read_readers(cluster: Cluster, namespace: str) -> tuple[Reader, ...]:
    """Return every subject that may read a Secret of a namespace, with the binding that lets it."""
    roles = [*cluster.list(API, "ClusterRole"), *cluster.list(API, "Role", namespace)]
    reading = {_role(role) for role in roles if may_read(role)}
    bindings = [*cluster.list(API, "ClusterRoleBinding"), *cluster.list(API, "RoleBinding", namespace)]
    return tuple(
        Reader(subject, f"{binding['kind']} {binding['metadata']['name']}")
        for binding in bindings
        if _bound(binding) in reading
        for subject in _subjects(binding)
    )


def may_read(role: Mapping[str, Any]) -> bool:
    """Tell whether a role lets its holders read Secrets, be it only some of them."""
    return any(
        _READING & set(rule.get("verbs", ()))
        and {"secrets", "*"} & set(rule.get("resources", ()))
        and {"", "*"} & set(rule.get("apiGroups", ()))
        for rule in role.get("rules") or ()
    )


def _role(role: Object) -> Role:
    return role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]


def _bound(binding: Object) -> Role:
    role = binding["roleRef"]
    return (
        role["kind"],
        binding["metadata"].get("namespace") if role["kind"] == "Role" else None,
        role["name"],
    )


def _subjects(binding: Object) -> Iterator[str]:
    for subject in binding.get("subjects") or ():
        if subject["kind"] == "ServiceAccount":
            namespace = subject.get("namespace") or binding["metadata"].get("namespace")
            yield f"ServiceAccount {namespace}/{subject['name']}"
        else:
            yield f"{subject['kind']} {subject['name']}"
