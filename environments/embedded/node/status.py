"""Computes a pod's status for the API from what the node knows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from environments.embedded.node.api import Object
from environments.embedded.node.state import ContainerState, PodState, Role, Running, Terminated, Waiting

# The conditions that are the node's to set; others' are left alone.
_OWN = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


def timestamp(moment: datetime) -> str:
    """Write a moment as the API does, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_status(
    pod: Object, state: PodState, *, previous: Iterable[Object], host_address: str, now: datetime
) -> Object:
    """Return a pod's status.

    Args:
        pod: The pod as the API has it.
        state: What the node knows.
        previous: The node's conditions as it reported them last; unchanged ones keep their time.
        host_address: The node's recorded address.
        now: For conditions that change.
    """
    phase = _phase(pod["spec"].get("restartPolicy", "Always"), state)
    status: Object = {
        "phase": phase,
        "observedGeneration": pod["metadata"].get("generation", 0),
        "conditions": _conditions(pod, state, phase, previous, now),
        "hostIP": host_address,
        "hostIPs": [{"ip": host_address}],
        "startTime": timestamp(state.started),
        "containerStatuses": [_container(container) for container in state.of(Role.MAIN)],
    }
    initial = [container for container in state.containers if container.role is not Role.MAIN]
    if initial:
        status["initContainerStatuses"] = [_container(container) for container in initial]
    if state.address:
        status |= {"podIP": state.address, "podIPs": [{"ip": state.address}]}
    if state.reason:
        status |= {"reason": state.reason, "message": state.message}
    return status


def overruled(pod: Object, status: Object) -> bool:
    """Tell whether the API has another word on a condition of the node's own than the node.

    The cluster says of all pods that they are not ready when it takes their node for gone.
    """
    ours = {each["type"]: each["status"] for each in status["conditions"] if each["type"] in _OWN}
    theirs = pod.get("status", {}).get("conditions") or ()
    return any(ours.get(each["type"], each["status"]) != each["status"] for each in theirs)


def status_patch(pod: Object, status: Object) -> Object:
    """Return the strategic merge patch that gives a pod its status.

    It names the pod's uid, so that it never reaches another pod of the same name.
    Addresses would be merged by value, a pod's old one kept beside its new: they are replaced.
    Conditions are merged by type, an old reason kept with the new status: it is removed.
    """
    patched = dict(status)
    patched["conditions"] = [{"reason": None, "message": None, **each} for each in status["conditions"]]
    for addresses in ("podIPs", "hostIPs"):
        if addresses in status:
            patched[addresses] = [*status[addresses], {"$patch": "replace"}]
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": patched}


def _phase(policy: str, state: PodState) -> str:
    main = state.of(Role.MAIN)
    if state.reason:
        return "Failed"
    if state.ended:
        return "Succeeded" if all(container.succeeded for container in main) else "Failed"
    begun = any(not isinstance(container.current, Waiting) or container.last for container in main)
    if not state.initialized or not begun:
        return "Pending"
    # Between the last container's end and the pod's own there is no restart to wait for.
    if policy != "Always" and all(container.succeeded for container in main):
        return "Succeeded"
    return "Running"


def _conditions(
    pod: Object, state: PodState, phase: str, previous: Iterable[Object], now: datetime
) -> list[Object]:
    main = [*state.of(Role.SIDECAR), *state.of(Role.MAIN)]
    unready = [container.name for container in main if not container.ready]
    unfinished = [container.name for container in state.containers if not _initial_work_done(container)]
    containers_ready = _readiness(phase, unready)
    reported = {condition["type"]: condition for condition in previous}
    # Each False condition with its reason and message; True ones have neither.
    failures: dict[str, tuple[str, str] | None] = {
        "PodReadyToStartContainers": None if state.prepared and not state.ended else ("", ""),
        "Initialized": None if state.initialized else _initialization(unfinished),
        "Ready": containers_ready or _gates(pod),
        "ContainersReady": containers_ready,
    }
    if phase == "Succeeded":
        failures["Initialized"] = None
    conditions = []
    for kind in _OWN:
        failure = failures[kind]
        condition = {"type": kind, "status": "False" if failure else "True"}
        if failure and failure[0]:
            condition |= {"reason": failure[0], "message": failure[1]}
        old = reported.get(kind, {})
        unchanged = old.get("status") == condition["status"]
        since = old.get("lastTransitionTime") if unchanged else None
        generation = {"observedGeneration": pod["metadata"].get("generation", 0)}
        conditions.append({**condition, **generation, "lastTransitionTime": since or timestamp(now)})
    return conditions


def _initial_work_done(container: ContainerState) -> bool:
    match container.role:
        case Role.INIT:
            return container.succeeded
        case Role.SIDECAR:
            return container.started
        case Role.MAIN:
            return True


def _initialization(unfinished: Iterable[str]) -> tuple[str, str]:
    return "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(unfinished)}]"


def _readiness(phase: str, unready: list[str]) -> tuple[str, str] | None:
    if phase == "Succeeded":
        return "PodCompleted", ""
    if phase == "Failed":
        return "PodFailed", ""
    if unready:
        return "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return None


def _gates(pod: Object) -> tuple[str, str] | None:
    existing = {condition["type"]: condition for condition in pod.get("status", {}).get("conditions") or []}
    for gate in pod["spec"].get("readinessGates") or []:
        kind = gate["conditionType"]
        if existing.get(kind, {}).get("status") != "True":
            return (
                "ReadinessGatesNotReady",
                f'corresponding condition of pod readiness gate "{kind}" is not True.',
            )
    return None


def _container(container: ContainerState) -> Object:
    described: dict[str, Any] = {
        "name": container.name,
        "image": container.image,
        "imageID": f"local://{container.image}",
        "restartCount": container.restarts,
        "started": container.started,
        "ready": container.ready,
        "state": _state(container.current),
        "lastState": _state(container.last) if container.last else {},
    }
    if container.role is Role.INIT:
        # A container for initialisation is ready when its work is done.
        described["ready"] = container.succeeded
    current = container.current
    identity = "" if isinstance(current, Waiting) else current.identity
    identity = identity or (container.last.identity if container.last else "")
    if identity:
        described["containerID"] = identity
    return described


def _state(state: Waiting | Running | Terminated) -> Object:
    match state:
        case Waiting(reason, message):
            waiting = {"reason": reason, "message": message}
            return {"waiting": {name: text for name, text in waiting.items() if text}}
        case Running(started, _):
            return {"running": {"startedAt": timestamp(started)}}
        case Terminated():
            terminated: Object = {
                "exitCode": state.code,
                "reason": state.reason,
                "startedAt": timestamp(state.started),
                "finishedAt": timestamp(state.finished),
                "containerID": state.identity,
                "message": state.message,
                "signal": state.signal,
            }
            return {"terminated": {k: v for k, v in terminated.items() if v or k == "exitCode"}}
