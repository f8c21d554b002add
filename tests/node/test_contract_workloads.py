"""Contract of the node: what Kubernetes' own controllers make of it."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any

import psutil
import pytest

from environments.embedded.processes.sweep import stragglers
from tests.node.cluster import SLEEP, Namespace, container, eventually, is_ready, pid_of, pod, status_of

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]

MANY = 100


def deployment(name: str, version: str, replicas: int = 2) -> dict[str, Any]:
    template = pod(name, "-c", SLEEP, container_env=[{"name": "VERSION", "value": version}])
    template["metadata"] = {"labels": {"app": name}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def rolled_out(deployment: dict[str, Any]) -> bool:
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    return status["observedGeneration"] >= deployment["metadata"]["generation"] and counts == [wanted] * 3


def versions(pods: list[dict[str, Any]]) -> set[str]:
    living = [each for each in pods if "deletionTimestamp" not in each["metadata"]]
    return {each["spec"]["containers"][0]["env"][0]["value"] for each in living}


async def test_a_deployment_rolls_out_back_and_scales(namespace: Namespace) -> None:
    await namespace.create("deployments", deployment("web", "1"))
    await namespace.wait("deployments", "web", rolled_out, 60)
    await namespace.update("deployments", "web", {"spec": deployment("web", "2")["spec"]})
    await namespace.wait("deployments", "web", rolled_out, 60)
    assert versions(await namespace.pods()) == {"2"}
    # What `kubectl rollout undo` does: the old template again, which finds the old ReplicaSet.
    listed = await namespace.cluster.api.list(namespace.path("replicasets"))
    sets = {
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: each for each in listed["items"]
    }
    template = sets["1"]["spec"]["template"]
    del template["metadata"]["labels"]["pod-template-hash"]
    await namespace.update("deployments", "web", {"spec": {"template": template}})
    undone = await namespace.wait("deployments", "web", rolled_out, 60)
    assert versions(await namespace.pods()) == {"1"}
    assert undone["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    for replicas in (4, 1):
        await namespace.update("deployments", "web", {"spec": {"replicas": replicas}})
        await namespace.wait("deployments", "web", rolled_out, 60)
        await eventually(functools.partial(_counted, namespace, replicas), 20)


async def _counted(namespace: Namespace, count: int) -> bool:
    return len(await namespace.pods()) == count


async def test_a_killed_pod_is_restarted_in_place(namespace: Namespace) -> None:
    await namespace.create("deployments", deployment("web", "1", replicas=1))
    await namespace.wait("deployments", "web", rolled_out, 60)
    (before,) = await namespace.pods()
    psutil.Process(pid_of(before)).kill()
    name = before["metadata"]["name"]
    after = await namespace.wait(
        "pods", name, lambda pod: status_of(pod)["restartCount"] == 1 and is_ready(pod)
    )
    terminated = status_of(after)["lastState"]["terminated"]
    assert (terminated["exitCode"], terminated["signal"]) == (137, 9)


@pytest.mark.parametrize(("code", "condition"), [(0, "Complete"), (1, "Failed")])
async def test_a_job_completes_or_fails(namespace: Namespace, code: int, condition: str) -> None:
    spec = {"restartPolicy": "Never", "containers": [container("-c", f"raise SystemExit({code})")]}
    await namespace.create(
        "jobs", {"metadata": {"name": "job"}, "spec": {"backoffLimit": 1, "template": {"spec": spec}}}
    )

    def ended(job: dict[str, Any]) -> bool:
        return (condition, "True") in [(each["type"], each["status"]) for each in job["status"]["conditions"]]

    await namespace.wait("jobs", "job", ended, 60)
    assert len(await namespace.pods("batch.kubernetes.io/job-name=job")) == 1 + code


async def test_a_hundred_pods_become_ready_and_go_without_a_trace(namespace: Namespace) -> None:
    """With a hundred pods the node itself has to be idle, too."""
    begin = time.monotonic()
    body = deployment("many", "1", MANY)
    body["spec"]["template"]["spec"]["containers"][0] = container(
        image="mita-finance/probe:1",
        command=["sleep", "3600"],
        env=[{"name": "VERSION", "value": "1"}],
        readinessProbe={"exec": {"command": ["true"]}, "periodSeconds": 3600},
    )
    await namespace.create("deployments", body)
    await namespace.wait("deployments", "many", rolled_out, 60)
    ready = time.monotonic() - begin
    pids = [pid_of(each) for each in await namespace.pods()]
    assert len(set(pids)) == MANY
    used = await _processor_share(5)
    size = psutil.Process().memory_info().rss / 2**20
    begin = time.monotonic()
    await namespace.delete_pods()
    gone = time.monotonic() - begin
    await eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), 10)
    left = {process.pid for process in stragglers(namespace.cluster.site.run.run_id)}
    assert left <= {process.pid for process in namespace.cluster.site.supervisor.processes.values()}
    figures = (
        f"ready in {ready:.1f} s, gone in {gone:.1f} s; node idle at {used:.1%} of a core, {size:.0f} MiB"
    )
    print(f"{MANY} pods: {figures}")  # noqa: T201  what the test measures
    assert used < 0.10


async def _processor_share(seconds: float) -> float:
    """Measure how much of one core this process, which is the node, uses."""
    before = time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - before) / seconds
