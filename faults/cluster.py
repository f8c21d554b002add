"""Faults of what runs in the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployer.cluster import NOT_FOUND, Cluster, ClusterError, Object
from deployer.connections import Connections
from deployer.eventually import eventually
from deployer.kinds.releases import not_rolled_out
from faults.contract import Undo

SCALED = "scale"
_MANAGER = "mita-faults"
_SECONDS = 180.0  # for pods to come or to go


class ScaledAway:
    """A Deployment has no pods for a while.

    Args:
        cluster: The cluster.
        what: What it is, for a person.
        namespace: Where the Deployment is.
        name: Its name.
        missed: Says why nobody misses it; None once somebody does.
    """

    def __init__(
        self, cluster: Cluster, what: str, namespace: str, name: str, missed: Callable[[], str | None]
    ) -> None:
        self.what = what
        self._missed = missed
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._replicas = int(_deployment(cluster, namespace, name)["spec"]["replicas"])

    @property
    def undo(self) -> Undo:
        """Scale it back."""
        return Undo(
            SCALED, {"namespace": self._namespace, "name": self._name, "replicas": str(self._replicas)}
        )

    def inject(self) -> None:
        """Scale it to nothing and wait until its pods are gone."""
        scale(self._cluster, self._namespace, self._name, 0)
        self._await()

    def unfelt(self) -> str | None:
        """It has no pod, and somebody misses it."""
        left = _deployment(self._cluster, self._namespace, self._name).get("status", {}).get("replicas", 0)
        return f"{left} of its pods are left" if left else self._missed()

    def heal(self) -> None:
        """Scale it back and wait until its pods are ready."""
        scale(self._cluster, self._namespace, self._name, self._replicas)
        self._await()

    def _await(self) -> None:
        _await_rollout(self._cluster, self._namespace, self._name)


class PodsKilled:
    """Pods are killed at once; what they are made by replaces them.

    Args:
        cluster: The cluster.
        what: What happens, for a person.
        namespace: Where they are.
        deployment: The Deployment that they belong to.
        labels: Selector of its pods.
        spared: How many of them live on; at most one is killed if it is negative.
    """

    undo = None  # its Deployment makes new ones

    def __init__(
        self, cluster: Cluster, what: str, namespace: str, deployment: str, labels: str, *, spared: int
    ) -> None:
        self.what = what
        self._cluster = cluster
        self._namespace = namespace
        self._deployment = deployment
        self._labels = labels
        self._spared = spared
        self._killed: dict[str, str] = {}

    def inject(self) -> None:
        """Kill them without any grace."""
        pods = self._pods()
        count = 1 if self._spared < 0 else len(pods) - self._spared
        for pod in pods[:count]:
            name = pod["metadata"]["name"]
            path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
            self._cluster.call("DELETE", path, gracePeriodSeconds="0")
            self._killed[pod["metadata"]["uid"]] = name

    def unfelt(self) -> str | None:
        """Whoever uses them feels that they are gone."""
        if not self._killed:
            return "there was no pod to kill"
        left = {pod["metadata"]["uid"] for pod in self._pods()} & self._killed.keys()
        return f"{', '.join(self._killed[uid] for uid in left)} still there" if left else None

    def heal(self) -> None:
        """Wait until others have taken their places."""
        _await_rollout(self._cluster, self._namespace, self._deployment)

    def _pods(self) -> list[Object]:
        return self._cluster.list("v1", "Pod", self._namespace, labelSelector=self._labels)


def scale_back(connections: Connections, parameters: Mapping[str, str]) -> None:
    """Scale a Deployment to the replicas that it had."""
    cluster = Cluster(connections.kubernetes)
    namespace, name = parameters["namespace"], parameters["name"]
    try:
        scale(cluster, namespace, name, int(parameters["replicas"]))
    except ClusterError as error:
        if error.status != NOT_FOUND:  # nothing is left to heal where it is not there any more
            raise
    else:
        _await_rollout(cluster, namespace, name)


def scale(cluster: Cluster, namespace: str, name: str, replicas: int) -> None:
    """Ask for a number of a Deployment's pods."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"
    body = {"spec": {"replicas": replicas}}
    cluster.call("PATCH", path, body=body, content="merge-patch+json", fieldManager=_MANAGER)


def _deployment(cluster: Cluster, namespace: str, name: str) -> Object:
    found: Object = cluster.call("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    return found


def _await_rollout(cluster: Cluster, namespace: str, name: str) -> None:
    eventually(
        lambda: not_rolled_out(_deployment(cluster, namespace, name)),
        subject=f"deployment {namespace}/{name}",
        deadline=_SECONDS,
        remedy="Look at its pods and their events.",
        longest_pause=0.5,
    )
