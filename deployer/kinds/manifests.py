"""Kubernetes manifests, applied on the server by one field manager."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from deployer.changes import Action, Change
from deployer.cluster import FIELD_MANAGER, WEBHOOK_SILENT, Cluster, ClusterError, Object, name_of
from deployer.eventually import eventually
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.objects import ObjectState, observe_objects
from deployer.kinds.releases import not_rolled_out
from deployer.rendering import condition

NUDGED_AT = "mita.finance/nudged-at"
NUDGE_EVERY = 10.0  # seconds between two reminders to a controller that backs off
WEBHOOK_DEADLINE = 30.0  # seconds
OPERATORS_GROUP = "external-secrets.io/"


class Manifests(Kind[ObjectState]):
    """The manifests of one phase, in their order."""

    kind = "kubernetes-object"

    def __init__(self, phase: int, manifests: Sequence[Object], *, cluster: Cluster, deadline: float) -> None:
        super().__init__(phase)
        self.deadline = deadline
        self._manifests = {name_of(manifest): manifest for manifest in manifests}
        self._cluster = cluster
        self._nudged = 0.0

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, ObjectState]:
        """Compare each object with a dry run of its manifest; find those no longer declared."""
        wanted = [m for name, m in self._manifests.items() if names is None or name in names]
        found = observe_objects(self._cluster, wanted)
        if names is None:
            found |= {name: ObjectState(undeclared=True) for name in self._undeclared()}
        return found

    def _undeclared(self) -> dict[str, Object]:
        """List the operator's objects that this deployer applied once, of the kinds declared here."""
        found = {}
        places = {
            (each["apiVersion"], each["kind"], each["metadata"].get("namespace"))
            for each in self._manifests.values()
            if each["apiVersion"].startswith(OPERATORS_GROUP)
        }
        for api_version, kind, namespace in sorted(places, key=str):
            for item in self._cluster.list(api_version, kind, namespace):
                managers = {each.get("manager") for each in item["metadata"].get("managedFields", [])}
                if FIELD_MANAGER in managers and name_of(item) not in self._manifests:
                    found[name_of(item)] = item
        return found

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare each object with its manifest; what others added to it is left alone."""
        seen = self.seen(observed)
        changes = [self._difference(name, seen.get(name)) for name in self._manifests]
        gone = (name for name, state in seen.items() if state.undeclared)
        return changes + [self.destroy(name, "no manifest declares it any longer") for name in gone]

    def _difference(self, name: str, state: ObjectState | None) -> Change:
        if state is None:
            return self.create(name, "there is no such object")
        if state.immutable is not None:
            return self.replace(name, f"it cannot be changed: {state.immutable}")
        reason = f"cannot be compared: {state.unknown}" if state.unknown else None
        return self.update(name, state.differences, reason)

    def apply(self, change: Change, observed: Observed) -> None:  # noqa: ARG002  the manifest is all it takes
        """Apply, or delete, one object."""
        if change.action is Action.DESTROY:
            self._cluster.delete(self._undeclared()[change.name])
            return
        manifest = self._manifests[change.name]
        if change.action is Action.REPLACE:
            self._cluster.delete(manifest)
        # A webhook that was installed a moment ago may need one more to be reachable.
        eventually(
            lambda: self._applied(manifest),
            subject=name_of(manifest),
            deadline=WEBHOOK_DEADLINE,
            remedy="Look at the webhook's pods, then run the same command again.",
        )

    def _applied(self, manifest: Object) -> str | None:
        try:
            self._cluster.apply(manifest)
        except ClusterError as error:
            if WEBHOOK_SILENT in error.message:
                return error.message
            raise
        return None

    def waiting(self) -> str | None:
        """Name the objects that do not work yet; remind a controller that backs off."""
        stuck = {}
        unfinished = {}
        for name, manifest in self._manifests.items():
            if manifest["apiVersion"].startswith(OPERATORS_GROUP):
                missing = _not_ready(self._cluster.get(manifest))
                if missing is not None:
                    stuck[name] = missing
            elif manifest["kind"] == "Deployment":
                missing = not_rolled_out(self._cluster.get(manifest))
                if missing is not None:
                    unfinished[name] = missing
        if stuck and time.monotonic() - self._nudged > NUDGE_EVERY:
            self.nudge(stuck)
        lacks = (stuck | unfinished).items()
        return "; ".join(f"{name}: {missing}" for name, missing in lacks) or None

    def nudge(self, names: Collection[str] | None = None) -> None:
        """Have the operator look now at its objects that are there, instead of at its next turn."""
        self._nudged = time.monotonic()
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        for name, manifest in self._manifests.items():
            operators = manifest["apiVersion"].startswith(OPERATORS_GROUP)
            if operators and (names is None or name in names) and self._cluster.get(manifest) is not None:
                self._cluster.nudge(manifest, {NUDGED_AT: stamp})


def _not_ready(item: Object | None) -> str | None:
    if item is None:
        return "is not there"
    ready = condition(item, "Ready")
    if ready is None:
        return "has not been looked at by the operator yet"
    if ready["status"] != "True":
        return f"{ready.get('reason', 'not Ready')}: {ready.get('message', '')}"
    nudged = item["metadata"].get("annotations", {}).get(NUDGED_AT)
    refreshed = item.get("status", {}).get("refreshTime")
    if item["kind"] == "ExternalSecret" and nudged and refreshed and _time(refreshed) < _time(nudged):
        return "has not been synchronised since its secret changed"
    return None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
