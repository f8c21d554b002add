"""The status that the API is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from environments.embedded.node.state import ContainerState, PodState, Role, Running, Terminated, Waiting
from environments.embedded.node.status import pod_status, status_patch

NOW = datetime(2026, 1, 31, 12, 0, 0, 999, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def ended(code: int, **more: Any) -> Terminated:  # noqa: ANN401
    reason = "Error" if code else "Completed"
    return Terminated(code=code, reason=reason, started=NOW, finished=LATER, identity="process://7", **more)


RUNNING = Running(NOW, "process://7")


def container(name: str = "c", role: Role = Role.MAIN, **state: Any) -> ContainerState:  # noqa: ANN401
    return ContainerState(name=name, image="i:1", role=role, **{"current": RUNNING, **state})


def pod(**spec: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 2}, "spec": spec}


def status(*containers: ContainerState, of: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:  # noqa: ANN401
    defaults: dict[str, Any] = {"address": "10.70.64.1", "prepared": True, "initialized": True}
    previous = state.pop("previous", ())
    known = PodState(started=NOW, containers=list(containers), **{**defaults, **state})
    return pod_status(of or pod(), known, previous=previous, host_address="10.70.0.10", now=LATER)


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: each["status"] for each in status["conditions"]}


def test_a_pod_that_is_ready() -> None:
    told = status(container(started=True, ready=True))
    assert told["phase"] == "Running"
    assert (told["podIP"], told["podIPs"], told["hostIP"]) == (
        "10.70.64.1",
        [{"ip": "10.70.64.1"}],
        "10.70.0.10",
    )
    assert told["startTime"] == "2026-01-31T12:00:00Z"
    assert set(conditions(told).values()) == {"True"}
    assert told["observedGeneration"] == 2
    assert told["containerStatuses"] == [
        {
            "name": "c",
            "image": "i:1",
            "imageID": "local://i:1",
            "restartCount": 0,
            "started": True,
            "ready": True,
            "state": {"running": {"startedAt": "2026-01-31T12:00:00Z"}},
            "lastState": {},
            "containerID": "process://7",
        }
    ]


def test_an_unready_container_is_named() -> None:
    told = status(container("a", started=True, ready=True), container("b", started=True))
    assert conditions(told) == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
    }
    ready = next(each for each in told["conditions"] if each["type"] == "Ready")
    assert (ready["reason"], ready["message"]) == (
        "ContainersNotReady",
        "containers with unready status: [b]",
    )


def test_a_pod_before_its_containers() -> None:
    creating = container(current=Waiting("ContainerCreating"))
    told = status(creating, address="", prepared=False, initialized=False)
    assert told["phase"] == "Pending"
    assert "podIP" not in told
    assert set(conditions(told).values()) == {"False"}
    assert told["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert "containerID" not in told["containerStatuses"][0]


def test_initialisation() -> None:
    first = container("i", Role.INIT, current=ended(0))
    sidecar = container("s", Role.SIDECAR, started=False)
    told = status(first, sidecar, container(current=Waiting("PodInitializing")), initialized=False)
    assert told["phase"] == "Pending"
    initialized = next(each for each in told["conditions"] if each["type"] == "Initialized")
    assert initialized["message"] == "containers with incomplete status: [s]"
    assert [each["name"] for each in told["initContainerStatuses"]] == ["i", "s"]
    assert [each["ready"] for each in told["initContainerStatuses"]] == [True, False]
    assert [each["name"] for each in told["containerStatuses"]] == ["c"]


def test_a_sidecar_that_is_not_ready_keeps_the_pod_unready() -> None:
    sidecar = container("s", Role.SIDECAR, started=True, ready=False)
    assert conditions(status(sidecar, container(started=True, ready=True)))["Ready"] == "False"


@pytest.mark.parametrize(
    ("state", "policy", "phase"),
    [
        ({"current": ended(0), "ended": True}, "Never", "Succeeded"),
        ({"current": ended(1), "ended": True}, "Never", "Failed"),
        ({"current": ended(0), "ended": False}, "OnFailure", "Succeeded"),
        ({"current": ended(0), "ended": False}, "Always", "Running"),
        ({"current": Waiting("CrashLoopBackOff"), "last": ended(1)}, "Always", "Running"),
        ({"current": Waiting("CreateContainerConfigError")}, "Always", "Pending"),
        ({"current": ended(0), "ended": True, "reason": "DeadlineExceeded"}, "Never", "Failed"),
    ],
)
def test_phases(state: dict[str, Any], policy: str, phase: str) -> None:
    pod_fields = {name: state.pop(name) for name in ("ended", "reason") if name in state}
    assert status(container(**state), of=pod(restartPolicy=policy), **pod_fields)["phase"] == phase


def test_a_completed_pod_is_not_ready_because_it_completed() -> None:
    told = status(container(current=ended(0)), of=pod(restartPolicy="Never"), ended=True)
    reasons = {each["type"]: each.get("reason") for each in told["conditions"]}
    assert reasons["Ready"] == reasons["ContainersReady"] == "PodCompleted"
    assert conditions(told)["Initialized"] == "True"


def test_a_failed_pod_says_why() -> None:
    told = status(
        container(current=Waiting("ContainerCreating")), reason="Unsupported", message="spec.hostNetwork"
    )
    assert (told["phase"], told["reason"], told["message"]) == ("Failed", "Unsupported", "spec.hostNetwork")


def test_a_crash_is_told_with_its_code_and_last_words() -> None:
    last = ended(137, signal=9, message="out of luck")
    told = status(container(current=Waiting("CrashLoopBackOff", "back-off 10s"), last=last, restarts=3))
    (described,) = told["containerStatuses"]
    assert described["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert described["lastState"]["terminated"] == {
        "exitCode": 137,
        "signal": 9,
        "reason": "Error",
        "message": "out of luck",
        "startedAt": "2026-01-31T12:00:00Z",
        "finishedAt": "2026-01-31T12:05:00Z",
        "containerID": "process://7",
    }
    assert (described["restartCount"], described["containerID"]) == (3, "process://7")


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    then = "2020-01-01T00:00:00Z"
    old = [
        {"type": "Ready", "status": "True", "lastTransitionTime": then},
        {"type": "Initialized", "status": "False", "lastTransitionTime": then},
    ]
    told = status(container(started=True, ready=True), previous=old)
    times = {each["type"]: each["lastTransitionTime"] for each in told["conditions"]}
    assert (times["Ready"], times["Initialized"]) == (then, "2026-01-31T12:05:00Z")


@pytest.mark.parametrize(("gate", "ready"), [("True", "True"), ("False", "False"), (None, "False")])
def test_a_readiness_gate(gate: str | None, ready: str) -> None:
    existing = [{"type": "example.com/gate", "status": gate}] if gate else []
    gated = {
        **pod(readinessGates=[{"conditionType": "example.com/gate"}]),
        "status": {"conditions": existing},
    }
    told = conditions(status(container(started=True, ready=True), of=gated))
    assert (told["Ready"], told["ContainersReady"]) == (ready, "True")
    assert "example.com/gate" not in told


def test_the_patch_names_the_pod_and_replaces_addresses() -> None:
    told = status(container())
    patch = status_patch(pod(), told)
    assert patch["metadata"] == {"uid": "u"}
    assert patch["status"]["podIPs"] == [{"ip": "10.70.64.1"}, {"$patch": "replace"}]
    assert told["podIPs"] == [{"ip": "10.70.64.1"}]
    ignored = dict.fromkeys(("podIPs", "hostIPs", "conditions"))
    assert {**patch["status"], **ignored} == {**told, **ignored}


def test_the_patch_removes_reasons_that_no_longer_hold() -> None:
    patch = status_patch(pod(), status(container(started=True), initialized=True))
    conditions = {each["type"]: each for each in patch["status"]["conditions"]}
    assert (conditions["Initialized"]["reason"], conditions["Initialized"]["message"]) == (None, None)
    assert conditions["Ready"]["reason"] == "ContainersNotReady"
