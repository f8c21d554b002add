"""What keeps a release's pods from being ready, in words."""

from typing import Any

import pytest

from deployer.kinds.releases import pod_faults


def pod(*containers: dict[str, Any], phase: str = "Running", **conditions: str) -> dict[str, Any]:
    listed = [{"type": kind, "status": "False", "message": text} for kind, text in conditions.items()]
    return {
        "metadata": {"name": "web-1"},
        "status": {"phase": phase, "conditions": listed, "containerStatuses": list(containers)},
    }


CRASHING = {
    "name": "web",
    "ready": False,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 3}},
}
UNREADY = {"name": "web", "ready": False, "state": {"running": {}}, "lastState": {}}
READY = {"name": "side", "ready": True, "state": {"running": {}}, "lastState": {}}


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (pod(CRASHING, READY), "pod web-1: web CrashLoopBackOff ended with 3"),
        (pod(UNREADY), "pod web-1: web not ready"),
        (pod(phase="Pending", PodScheduled="no node fits"), "pod web-1: no node fits"),
        (pod(phase="Pending"), "pod web-1: not started"),
    ],
)
def test_what_keeps_a_pod_from_being_ready_is_named(status: dict[str, Any], fault: str) -> None:
    assert pod_faults([status]) == [fault]


def test_pods_that_are_ready_or_done_are_no_fault() -> None:
    ready = pod(READY)
    ready["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    assert pod_faults([ready, pod(UNREADY, phase="Succeeded")]) == []
