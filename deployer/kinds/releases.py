"""Helm releases: chart and values by digest, rendered objects by what the server says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.changes import ABSENT, Action, Change, Difference
from deployer.cluster import Cluster, Object, name_of
from deployer.connections import HelmChart
from deployer.desired import DesiredRelease
from deployer.health import unhealthy
from deployer.helm import Helm, HelmError, Release, chart_digest, merged
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.objects import ObjectState, observe_objects
from deployer.rendering import condition, documents

_DESCRIPTION = re.compile(r"\bsha256:([0-9a-f]{64})\b")
HEALTHY = "deployed"


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """A release as it was observed.

    Attributes:
        status: Helm's word for it.
        digest: Digest of chart and values that it was made from; empty when others made it.
        objects: Its rendered objects that are there.
        absent: Its rendered objects that are not.
    """

    status: str
    digest: str
    objects: Mapping[str, ObjectState] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedRelease:
    """A release of the desired state with what its environment adds."""

    desired: DesiredRelease
    chart: HelmChart
    values: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Digest of chart and values."""
        return chart_digest(self.chart, self.values)


def wanted_release(
    desired: DesiredRelease, *, root: Path, operator: HelmChart, added: Mapping[str, Any]
) -> WantedRelease:
    """Combine a release with its chart and with the values that the environment adds."""
    chart = operator if desired.chart == "operator" else HelmChart(str(root / desired.chart))
    return WantedRelease(desired, chart, merged(desired.values, added))


class Releases(Kind[ReleaseState]):
    """One phase's release."""

    kind = "helm-release"

    def __init__(
        self, wanted: WantedRelease, *, helm: Helm, cluster: Cluster, application: str | None
    ) -> None:
        super().__init__(wanted.desired.phase)
        self.deadline = float(wanted.desired.timeout_seconds)
        self._wanted = wanted
        self._name = wanted.desired.name
        self._namespace = wanted.desired.namespace
        self._helm = helm
        self._cluster = cluster
        self._application = application if wanted.desired.health else None

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, ReleaseState]:  # noqa: ARG002  only one
        """Read the release and compare its rendered objects with the live ones."""
        release = self._helm.release(self._name, self._namespace)
        if release is None:
            return {}
        found = _DESCRIPTION.search(release.description)
        manifests = self._rendered(release)
        objects = observe_objects(self._cluster, manifests)
        absent = tuple(name for name in map(name_of, manifests) if name not in objects)
        return {self._name: ReleaseState(release.status, found[1] if found else "", objects, absent)}

    def _rendered(self, release: Release) -> list[Object]:
        manifests = documents(release.manifest, f"manifest of release {self._name}")
        for each in manifests:
            resource = self._cluster.resource(each["apiVersion"], each["kind"])
            if resource is not None and resource.namespaced:
                each["metadata"].setdefault("namespace", self._namespace)
        return manifests

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare chart, values and status, and each rendered object."""
        state = self.seen(observed).get(self._name)
        if state is None:
            return [self.create(self._name, "there is no such release")]
        fixed = [f"{name}: {each.immutable}" for name, each in state.objects.items() if each.immutable]
        if fixed:
            return [self.replace(self._name, f"objects cannot be changed: {'; '.join(fixed)}")]
        details = list(_outdated(state, self._wanted.digest))
        for name, each in state.objects.items():
            details += [Difference(f"{name}: {d.path}", d.before, d.after) for d in each.differences]
        details += [Difference(name, ABSENT, "as rendered") for name in state.absent]
        return [self.update(self._name, details)]

    def apply(self, change: Change, observed: Observed) -> None:
        """Upgrade the release where chart, values or status differ, else mend the objects that do."""
        state = self.seen(observed).get(self._name)
        if change.action is Action.CREATE or state is None or _outdated(state, self._wanted.digest):
            self._upgrade(state)
        else:
            self._mend(state)

    def _upgrade(self, state: ReleaseState | None) -> None:
        if state is not None and state.status.startswith("pending-"):
            self._forget_cut_off_revision()
        try:
            self._helm.upgrade(
                self._name,
                self._namespace,
                self._wanted.chart,
                self._wanted.values,
                description=f"mita-deployer sha256:{self._wanted.digest}",
                timeout=self._wanted.desired.timeout_seconds,
            )
        except HelmError as error:
            # Helm says that it waited in vain, not what for.
            faults = pod_faults(self._cluster.list("v1", "Pod", self._namespace))
            seen = "; ".join([error.seen, *faults])
            raise HelmError(error.subject, expected=error.expected, seen=seen, remedy=error.remedy) from error

    def _forget_cut_off_revision(self) -> None:
        # Helm refuses to go on from a revision that is still pending.  Its record is all that is in
        # the way: the objects stay, and Helm adopts them because they carry the release's name.
        release = self._helm.release(self._name, self._namespace)
        if release is not None and release.status.startswith("pending-"):
            name = f"sh.helm.release.v1.{self._name}.v{release.revision}"
            record = {"name": name, "namespace": self._namespace}
            self._cluster.delete({"apiVersion": "v1", "kind": "Secret", "metadata": record})

    def _mend(self, state: ReleaseState) -> None:
        release = self._helm.release(self._name, self._namespace)
        for manifest in self._rendered(release) if release else ():
            seen = state.objects.get(name_of(manifest))
            if seen is not None and seen.immutable:
                self._cluster.delete(manifest)
            if seen is None or seen.differences or seen.immutable:
                self._cluster.apply(manifest)

    def waiting(self) -> str | None:
        """Name the deployments that are not rolled out, and the application when it does not answer 200."""
        release = self._helm.release(self._name, self._namespace)
        if release is None:
            return "there is no such release"
        for manifest in self._rendered(release):
            if manifest["kind"] == "Deployment":
                missing = not_rolled_out(self._cluster.get(manifest))
                if missing is not None:
                    return f"{name_of(manifest)}: {missing}"
        if self._application is None:
            return None
        return unhealthy(self._application + (self._wanted.desired.health or ""))


def _outdated(state: ReleaseState, digest: str) -> tuple[Difference, ...]:
    found = []
    if state.status != HEALTHY:
        found.append(Difference("status", state.status, HEALTHY))
    if state.digest != digest:
        before = f"sha256:{state.digest[:12]}" if state.digest else "made by others"
        found.append(Difference("chart and values", before, f"sha256:{digest[:12]}"))
    return tuple(found)


def pod_faults(pods: Sequence[Object]) -> list[str]:
    """Say of each pod that is not ready what keeps it from it, as far as its status tells."""
    faults = []
    for pod in pods:
        status = pod.get("status", {})
        if status.get("phase") == "Succeeded" or (condition(pod, "Ready") or {}).get("status") == "True":
            continue
        containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        found = [f"{each['name']} {_container_fault(each)}" for each in containers if not each["ready"]]
        reason = ", ".join(found) or (condition(pod, "PodScheduled") or {}).get("message") or "not started"
        faults.append(f"pod {pod['metadata']['name']}: {reason}")
    return faults


def _container_fault(status: Mapping[str, Any]) -> str:
    last = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated")
    waiting = status.get("state", {}).get("waiting", {}).get("reason")
    parts = [waiting or "not ready"]
    if last is not None:
        parts.append(f"ended with {last['exitCode']}")
    return " ".join(parts)


def not_rolled_out(deployment: Object | None) -> str | None:
    """Say what a Deployment's rollout still lacks; None when it is complete."""
    if deployment is None:
        return "is not there"
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return "has not been looked at by its controller yet"
    counts = {name: status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")}
    if any(count != wanted for count in counts.values()):
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        return f"{shown}; wanted {wanted}"
    return None
