"""Who uses a secret: the cluster's copies of it, and the pods that were given them."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from deployer.cluster import UNREACHABLE, Cluster, Object
from deployer.desired import Desired
from deployer.fingerprint import Fingerprints
from deployer.kinds.manifests import NUDGED_AT
from deployer.rotation.record import now
from deployer.shapes import Fields

_API = "external-secrets.io/v1beta1"
_APPLICATION = "mita-production"
_METRICS = "8000/proxy/metrics"
# The application's names for what it takes from each of the cluster's secrets.
_KINDS = {
    "mita-production-database-credentials": "database",
    "mita-production-auth-secrets": "auth",
    "mita-production-app-secrets": "app",
    "mita-production-cache-credentials": "cache",
    "mita-production-external-services": "external",
    "mita-production-notification-credentials": "notifications",
}
_IN_USE = re.compile(r"^mita_credential_info\{(?P<labels>[^}]*)\} 1(?:\.0)?$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Copy:
    """A Secret of the cluster that carries values of one secret.

    Attributes:
        external_secret: The object that the operator makes it from.
        name: The Secret's name.
        properties: For each of its keys, the field of the value that it holds.
    """

    external_secret: Object
    name: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Use:
    """What a pod has in use of one kind of credentials, told by fingerprints that only it can make."""

    uid: str
    restarts: int
    fingerprints: frozenset[str]


class Consumers:
    """The consumers of one secret.

    Args:
        cluster: The cluster.
        desired: The desired state.
        full_name: The secret's name in Secrets Manager.
    """

    def __init__(self, cluster: Cluster, desired: Desired, full_name: str) -> None:
        self._cluster = cluster
        self._namespace = desired.namespace
        self._fingerprints = Fingerprints()
        self.copies = tuple(self._find(full_name))

    def _find(self, full_name: str) -> Iterator[Copy]:
        for item in self._cluster.list(_API, "ExternalSecret", self._namespace):
            properties = {
                each["secretKey"]: each["remoteRef"].get("property", "")
                for each in item["spec"].get("data", [])
                if each["remoteRef"]["key"] == full_name
            }
            if properties:
                # A list does not name the kind of its items.
                named = {"apiVersion": _API, "kind": "ExternalSecret", "metadata": item["metadata"]}
                yield Copy(named, item["spec"]["target"]["name"], properties)

    def nudge(self) -> str | None:
        """Have the operator look now, instead of at its next turn; says why where that cannot be done."""
        try:
            for copy in self.copies:
                self._cluster.nudge(copy.external_secret, {NUDGED_AT: now().isoformat()})
        except UNREACHABLE as error:
            return str(error)
        return None

    def hurry(self, names: Collection[str]) -> None:
        """Have the nodes look at pods now: a kubelet renews what is mounted when it looks, once a minute.

        Args:
            names: The pods; one that is gone, or may not be touched, is passed over.
        """
        for name in names:
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": self._namespace},
            }
            with suppress(*UNREACHABLE):
                self._cluster.nudge(pod, {NUDGED_AT: now().isoformat()})

    def neglected(self) -> str | None:
        """Say that the operator has done all that it was told; None if something still waits for it."""
        for copy in self.copies:
            live = self._cluster.get(copy.external_secret) or {"metadata": {}}
            told = live["metadata"].get("annotations", {}).get(NUDGED_AT)
            done = live.get("status", {}).get("refreshTime")
            if told and done and datetime.fromisoformat(done) < datetime.fromisoformat(told):
                return None
        return "the operator was told nothing that it has not done"

    def resource_version(self, copy: Copy, fields: Fields) -> str | None:
        """Return the resource version of a copy that holds the fields; None as long as it does not."""
        live = self._cluster.get(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": copy.name, "namespace": self._namespace},
            }
        )
        if live is None:
            return None
        for key, field in copy.properties.items():
            held = base64.b64decode(live.get("data", {}).get(key, ""))
            value = fields.get(field)
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            if not self._fingerprints.same(held, text):
                return None
        version: str = live["metadata"]["resourceVersion"]
        return version

    def pods(self) -> dict[str, Use]:
        """Read what each ready pod of the application has in use of this secret."""
        kinds = {_KINDS[copy.name] for copy in self.copies if copy.name in _KINDS}
        found = {}
        for pod in self._cluster.list("v1", "Pod", self._namespace, labelSelector=f"app={_APPLICATION}"):
            if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod) and kinds:
                use = self._use(pod, kinds)
                if use is not None:
                    found[pod["metadata"]["name"]] = use
        return found

    def _use(self, pod: Object, kinds: set[str]) -> Use | None:
        name = pod["metadata"]["name"]
        try:
            text = self._cluster.text(f"/api/v1/namespaces/{self._namespace}/pods/{name}:{_METRICS}")
        except UNREACHABLE:
            return None  # it ends, or begins
        shown = [dict(_LABEL.findall(found["labels"])) for found in _IN_USE.finditer(text)]
        fingerprints = frozenset(
            f"{each['kind']}/{each['key']}/{each['fingerprint']}" for each in shown if each["kind"] in kinds
        )
        restarts = sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
        return Use(pod["metadata"]["uid"], restarts, fingerprints)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def renewed(before: Mapping[str, Use], after: Mapping[str, Use]) -> set[str]:
    """Name the pods that use another value than before, or began after it."""
    return {
        name
        for name, use in after.items()
        if name not in before
        or (use.uid, use.restarts) != (before[name].uid, before[name].restarts)
        or use.fingerprints != before[name].fingerprints
    }
