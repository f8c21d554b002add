"""What a scenario is looking at, so that its failure can be explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.client.exceptions import ApiException

from deployer.cluster import Cluster, Object, name_of

LAST_LINES = 30
_MOST_PODS = 4


@dataclass
class Focus:
    """The Kubernetes objects that a scenario is about; steps point at them before they look.

    Attributes:
        objects: Each as a manifest of kind and name.
    """

    objects: list[Object] = field(default_factory=list)

    def on(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object:
        """Point at an object and return its manifest of kind and name."""
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
        if manifest not in self.objects:
            self.objects.append(manifest)
        return manifest


def describe(client: ApiClient, manifest: Object) -> str:
    """Write an object's conditions, its events, and the last log lines of its pods."""
    cluster = Cluster(client)
    live = cluster.get(manifest)
    if live is None:
        return f"{name_of(manifest)} is not there."
    lines = [name_of(manifest), *_state(live), *_events(cluster, live)]
    for pod in _pods(cluster, live):
        if pod is not live:
            lines += ["", name_of(pod), *_state(pod), *_events(cluster, pod)]
        lines += _logs(client, pod)
    return "\n".join(lines)


def _state(live: Object) -> Iterator[str]:
    status = live.get("status", {})
    for key in ("phase", "replicas", "readyReplicas", "availableReplicas", "refreshTime"):
        if key in status:
            yield f"  {key}: {status[key]}"
    for condition in status.get("conditions", []):
        reason = f"{condition.get('reason', '')} {condition.get('message', '')}".strip()
        since = condition.get("lastTransitionTime", "")
        yield f"  condition {condition['type']}: {condition['status']} since {since} {reason}".rstrip()
    for container in status.get("containerStatuses", []):
        (state,) = container.get("state") or {"unknown": {}}
        why = container.get("state", {}).get(state, {})
        detail = f"{why.get('reason', '')} {why.get('message', '')}".strip()
        counts = f"ready {container.get('ready')}, restarts {container.get('restartCount')}"
        yield f"  container {container['name']}: {state}, {counts} {detail}".rstrip()


def _events(cluster: Cluster, live: Object) -> Iterator[str]:
    namespace = live["metadata"].get("namespace", "default")
    selector = f"involvedObject.uid={live['metadata']['uid']}"
    events = cluster.list("v1", "Event", namespace, fieldSelector=selector)
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    for event in events[-LAST_LINES:]:
        when = event.get("lastTimestamp") or event.get("eventTime")
        yield f"  event {when} {event.get('type')} {event.get('reason')}: {event.get('message')}"


def _pods(cluster: Cluster, live: Object) -> list[Object]:
    if live["kind"] == "Pod":
        return [live]
    labels = (
        live.get("spec", {}).get("selector", {}).get("matchLabels") if live["kind"] == "Deployment" else None
    )
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return cluster.list("v1", "Pod", live["metadata"]["namespace"], labelSelector=selector)[:_MOST_PODS]


def _logs(client: ApiClient, pod: Object) -> Iterator[str]:
    metadata = pod["metadata"]
    for container in pod["spec"]["containers"]:
        yield f"  last log lines of {container['name']}:"
        try:
            text = CoreV1Api(client).read_namespaced_pod_log(
                metadata["name"], metadata["namespace"], container=container["name"], tail_lines=LAST_LINES
            )
        except ApiException as error:
            text = f"not to be had: {error.status} {error.reason}"
        yield from (f"    {line}" for line in text.splitlines())
