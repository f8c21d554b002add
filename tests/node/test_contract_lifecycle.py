"""Contract of the node: how pods live and end."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from environments.embedded.node.registration import NAME as NODE
from tests.node.cluster import (
    SLEEP,
    Namespace,
    condition,
    container,
    eventually,
    is_ready,
    pid_of,
    pod,
    status_of,
)

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]

SERVE = """
import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
WEB = {"name": "http", "containerPort": 8000}
# Serves while the file exists in the container's own directory, for as long as it exists.
FILE_PROBE = {"exec": {"command": ["test", "-e", "good"]}, "periodSeconds": 1, "failureThreshold": 1}


async def test_what_the_cluster_said_while_it_took_the_node_for_gone_is_put_right(
    namespace: Namespace,
) -> None:
    """As the controller of nodes says it, once the API server was away for as long as a lease lasts."""
    await namespace.pod("sleeper")
    await namespace.wait("pods", "sleeper", is_ready)
    api = namespace.cluster.api
    gone = {"status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}}
    not_ready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}

    pod_path, node_path = namespace.path("pods", "sleeper"), f"/api/v1/nodes/{NODE}"
    for path, change in ((node_path, gone), (pod_path, not_ready)):
        await api.patch(f"{path}/status", change, content_type="strategic-merge")

    await namespace.wait("pods", "sleeper", is_ready)
    async with asyncio.timeout(20):  # some renewals of the lease
        async for event in api.watch("/api/v1/nodes", fieldSelector=f"metadata.name={NODE}"):
            if event.object and is_ready(event.object):
                break


async def test_a_pod_runs_and_becomes_ready(namespace: Namespace) -> None:
    probe = {"httpGet": {"port": "http"}, "periodSeconds": 1}
    await namespace.pod("web", "-c", SERVE, container_ports=[WEB], container_readinessProbe=probe)
    pod = await namespace.wait("pods", "web", is_ready)
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["hostIP"] == namespace.cluster.site.network.recorded("0.10")
    kinds = ("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    assert [condition(pod, kind) for kind in kinds] == ["True"] * 5
    status = status_of(pod)
    assert (status["started"], status["ready"], status["restartCount"]) == (True, True, 0)
    address = namespace.cluster.site.network.bound(pod["status"]["podIP"])
    _, writer = await asyncio.open_connection(address, 8000)
    writer.close()
    await namespace.event("web", "Started")
    await namespace.delete_pod("web")
    await namespace.event("web", "Killing", "Stopping container main")
    await namespace.gone("pods", "web")
    assert not psutil.pid_exists(pid_of(pod))
    assert not namespace.cluster.volume(pod, "").parent.exists()


async def test_readiness_gates_the_endpoints_of_a_service(namespace: Namespace) -> None:
    await namespace.create(
        "services",
        {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 8000}]}},
    )
    await namespace.pod(
        "web", "-c", SLEEP, metadata={"labels": {"app": "web"}}, container_readinessProbe=FILE_PROBE
    )
    pod = await namespace.wait("pods", "web", lambda pod: status_of(pod)["started"])
    assert not is_ready(pod)
    node = namespace.cluster.node.pods
    assert node is not None
    good = node.exec_target(namespace.name, "web", "main").directory / "good"

    async def ready_endpoints() -> list[str]:
        listed = await namespace.cluster.api.list(namespace.path("endpointslices"))
        endpoints = [endpoint for each in listed["items"] for endpoint in each["endpoints"] or []]
        return [endpoint["addresses"][0] for endpoint in endpoints if endpoint["conditions"]["ready"]]

    async def serving() -> bool:
        return await ready_endpoints() == [pod["status"]["podIP"]]

    async def not_serving() -> bool:
        return await ready_endpoints() == []

    assert await not_serving()
    good.touch()
    await eventually(serving, 10)
    good.unlink()
    await eventually(not_serving, 10)
    await namespace.event("web", "Unhealthy", "Readiness probe failed: exit code 1")
    assert status_of(await namespace.get("pods", "web"))["restartCount"] == 0


async def test_a_failed_liveness_probe_restarts_the_container(namespace: Namespace) -> None:
    start = f"import os; open('good', 'w').close(); {SLEEP}"
    await namespace.pod("live", "-c", start, container_livenessProbe={**FILE_PROBE, "initialDelaySeconds": 1})
    pod = await namespace.wait("pods", "live", is_ready)
    node = namespace.cluster.node.pods
    assert node is not None
    good = node.exec_target(namespace.name, "live", "main").directory / "good"
    await eventually(good.exists, 5)
    good.unlink()
    restarted = await namespace.wait(
        "pods", "live", lambda pod: status_of(pod)["restartCount"] == 1 and is_ready(pod)
    )
    assert status_of(restarted)["lastState"]["terminated"]["exitCode"] == 128 + 15
    assert pid_of(restarted) != pid_of(pod)
    await namespace.event("live", "Killing", "failed liveness probe, will be restarted")


async def test_a_failed_startup_probe_restarts_and_the_other_probes_wait_for_it(namespace: Namespace) -> None:
    await namespace.pod(
        "slow",
        "-c",
        SLEEP,
        container_startupProbe=FILE_PROBE,
        container_livenessProbe={"exec": {"command": ["false"]}, "periodSeconds": 1},
    )
    pod = await namespace.wait("pods", "slow", lambda pod: status_of(pod)["restartCount"] >= 1)
    assert status_of(pod)["started"] is False
    assert not [event for event in await namespace.events("slow") if "Liveness" in event["message"]]
    await namespace.event("slow", "Killing", "failed startup probe")


async def test_a_crashing_container_backs_off_in_growing_delays(namespace: Namespace) -> None:
    await namespace.pod("crash", "-c", "raise SystemExit(3)", restartPolicy="Always")
    waiting = await namespace.wait(
        "pods",
        "crash",
        lambda pod: (
            status_of(pod)["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
            and status_of(pod)["restartCount"] >= 3
        ),
    )
    assert status_of(waiting)["lastState"]["terminated"]["exitCode"] == 3
    assert status_of(waiting)["lastState"]["terminated"]["reason"] == "Error"
    assert waiting["status"]["phase"] == "Running"
    assert condition(waiting, "Ready") == "False"
    # The first restart is immediate; the delays are the suite's 0.5 s, 1 s, 2 s, ...
    messages = {event["message"] for event in await namespace.events("crash") if event["reason"] == "BackOff"}
    assert all("Back-off restarting failed container main" in message for message in messages)
    assert "back-off 2s restarting failed container=main" in status_of(waiting)["state"]["waiting"]["message"]


async def test_a_program_that_does_not_exist_is_said_to_be_so(namespace: Namespace) -> None:
    await namespace.pod("none", container_command=["no-such-program"], restartPolicy="Never")
    pod = await namespace.wait("pods", "none", lambda pod: pod["status"]["phase"] == "Failed")
    terminated = status_of(pod)["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (128, "StartError")
    assert "no-such-program" in terminated["message"]


async def test_init_containers_run_in_order_before_the_main_ones(namespace: Namespace) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    note = "import sys, time; time.sleep(0.2); open('/shared/order', 'a').write(sys.argv[1])"
    await namespace.pod(
        "ordered",
        "-c",
        f"print(open('/shared/order').read(), flush=True); {SLEEP}",
        container_volumeMounts=mounts,
        volumes=[{"name": "shared", "emptyDir": {}}],
        initContainers=[
            container("-c", note, str(number), name=f"init-{number}", volumeMounts=mounts)
            for number in range(3)
        ],
    )
    first = await namespace.wait(
        "pods", "ordered", lambda pod: "running" in status_of(pod, "init-1")["state"]
    )
    assert status_of(first, "init-0")["ready"] is True
    assert status_of(first)["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(first, "Initialized") == "False"
    await namespace.wait("pods", "ordered", is_ready)
    await eventually(lambda: namespace.logs("ordered") == "012\n", 5)


async def test_a_failing_init_container_is_retried_or_fails_the_pod(namespace: Namespace) -> None:
    failing = [container("-c", "raise SystemExit(1)", name="init")]
    await namespace.pod("never", "-c", SLEEP, initContainers=failing, restartPolicy="Never")
    failed = await namespace.wait("pods", "never", lambda pod: pod["status"]["phase"] == "Failed")
    assert "waiting" in status_of(failed)["state"]
    await namespace.pod("always", "-c", SLEEP, initContainers=failing)
    retried = await namespace.wait("pods", "always", lambda pod: status_of(pod, "init")["restartCount"] == 2)
    assert retried["status"]["phase"] == "Pending"


async def test_a_sidecar_starts_first_ends_last_and_does_not_keep_a_job_alive(namespace: Namespace) -> None:
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    sidecar = """
import signal, sys, time
def end(*_):
    print("sidecar ended after main:", open("/shared/main").read(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open("/shared/sidecar", "w").close()
time.sleep(3600)
"""
    started = {"exec": {"command": ["test", "-e", "/shared/sidecar"]}, "periodSeconds": 1}
    await namespace.pod(
        "job",
        "-c",
        "open('/shared/sidecar'); open('/shared/main', 'w').write('done')",
        container_volumeMounts=mounts,
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="Never",
        initContainers=[
            container(
                "-c", sidecar, name="side", restartPolicy="Always", volumeMounts=mounts, startupProbe=started
            )
        ],
    )
    await namespace.wait("pods", "job", lambda pod: pod["status"]["phase"] == "Succeeded")
    assert namespace.logs("job", "side") == "sidecar ended after main: done\n"


async def test_an_unsupported_field_is_an_event_and_a_failed_pod(namespace: Namespace) -> None:
    await namespace.pod("host", "-c", SLEEP, shareProcessNamespace=True)
    pod = await namespace.wait("pods", "host", lambda pod: pod["status"]["phase"] == "Failed")
    assert pod["status"]["reason"] == "Unsupported"
    assert "spec.shareProcessNamespace" in pod["status"]["message"]
    event = await namespace.event("host", "Unsupported", "spec.shareProcessNamespace")
    assert event["type"] == "Warning"
    await namespace.delete_pod("host")
    await namespace.gone("pods", "host")
    logs = namespace.cluster.site.run.logs / "pods"
    assert not list(logs.glob(f"{namespace.name}_host_*/main/*")), "it was started"


async def test_an_unknown_image_is_never_started(namespace: Namespace) -> None:
    body = pod("nginx", "-c", SLEEP)
    body["spec"]["containers"].append(container("-c", SLEEP, name="other", image="nginx:1"))
    await namespace.create("pods", body)
    event = await namespace.event("nginx", "ErrImageNeverPull", 'Image "nginx:1" has no local program')
    assert "environments/embedded/node/images.py" in event["message"]
    seen = await namespace.wait(
        "pods", "nginx", lambda pod: "reason" in status_of(pod, "other")["state"]["waiting"]
    )
    assert seen["status"]["phase"] == "Pending"
    assert status_of(seen, "other")["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    assert "waiting" in status_of(seen)["state"]
    await namespace.delete_pod("nginx")
    await namespace.gone("pods", "nginx")


async def test_what_is_not_enforced_is_told_once(namespace: Namespace) -> None:
    context = {"runAsNonRoot": True, "readOnlyRootFilesystem": True}
    await namespace.pod("hardened", "-c", SLEEP, container_securityContext=context)
    await namespace.wait("pods", "hardened", is_ready)
    event = await namespace.event(
        "hardened", "NotEnforced", "containers.securityContext.readOnlyRootFilesystem"
    )
    assert event["type"] == "Normal"


async def test_a_pods_process_carries_the_run_and_inherits_nothing(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_HOST", "1")
    await namespace.pod("run", "-c", SLEEP)
    pod = await namespace.wait("pods", "run", is_ready)
    environment = psutil.Process(pid_of(pod)).environ()
    assert environment["MITA_RUN"] == namespace.cluster.site.run.run_id
    assert "OF_THE_HOST" not in environment


async def test_logs_are_kept_for_the_last_two_instances(namespace: Namespace) -> None:
    await namespace.pod("logs", "-c", "import os; print(os.getpid()); raise SystemExit(1)")
    await namespace.wait("pods", "logs", lambda pod: status_of(pod)["restartCount"] >= 3)
    node = namespace.cluster.node.pods
    assert node is not None
    current = node.log_file(namespace.name, "logs", "main")
    await eventually(lambda: len(list(current.parent.iterdir())) == 2, 5)
    for name, container_ in (("none", "main"), ("logs", "none")):
        with pytest.raises(LookupError):
            node.log_file(namespace.name, name, container_)
