"""Contract of the node: how pods end."""

from __future__ import annotations

import time
from datetime import datetime

import psutil
import pytest

from tests.node.cluster import (
    SLEEP,
    Namespace,
    eventually,
    is_ready,
    pid_of,
    status_of,
)

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


async def test_termination_runs_the_hook_then_term_then_kill(namespace: Namespace) -> None:
    stubborn = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("TERM", flush=True))
print("up", flush=True)
while True:
    time.sleep(1)
"""
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /logs/hook"]}}}
    mounts = [{"name": "logs", "mountPath": "/logs"}]
    created = await namespace.pod(
        "stubborn",
        "-c",
        stubborn,
        container_lifecycle=hook,
        container_volumeMounts=mounts,
        volumes=[{"name": "logs", "emptyDir": {}}],
        terminationGracePeriodSeconds=3,
    )
    await namespace.wait("pods", "stubborn", is_ready)
    await eventually(lambda: namespace.logs("stubborn") == "up\n", 5)
    volume = namespace.cluster.volume(created, "logs")
    before = time.monotonic()
    await namespace.delete_pod("stubborn")
    await eventually(lambda: namespace.logs("stubborn") == "up\nTERM\n", 3)
    assert (volume / "hook").read_text() == "hook\n"
    final = await namespace.wait("pods", "stubborn", lambda pod: "terminated" in status_of(pod)["state"])
    assert status_of(final)["state"]["terminated"]["exitCode"] == 128 + 9
    assert 2.5 < time.monotonic() - before < 6
    await namespace.gone("pods", "stubborn")


async def test_a_shorter_grace_hastens_the_end_and_a_failed_hook_is_told(namespace: Namespace) -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo no; exit 1"]}}}
    await namespace.pod("slow", "-c", stubborn, container_lifecycle=hook, terminationGracePeriodSeconds=300)
    await namespace.wait("pods", "slow", is_ready)
    await namespace.delete_pod("slow")
    await namespace.event("slow", "FailedPreStopHook", "no")
    before = time.monotonic()
    await namespace.delete_pod("slow", grace=1)
    await namespace.gone("pods", "slow", 20)
    assert time.monotonic() - before < 10


async def test_a_forced_deletion_leaves_no_process(namespace: Namespace) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    fork = "import subprocess; print(subprocess.Popen(['sleep', '3600']).pid, flush=True)"
    script = "\n".join([ignore, fork, SLEEP])
    await namespace.pod("forced", "-c", script)
    pod = await namespace.wait("pods", "forced", is_ready)
    await eventually(lambda: namespace.logs("forced"), 5)
    pids = [pid_of(pod), int(namespace.logs("forced"))]
    assert all(psutil.pid_exists(pid) for pid in pids)
    await namespace.delete_pod("forced", grace=0)
    await eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), 10)


async def test_a_recreated_pod_is_another_one(namespace: Namespace) -> None:
    await namespace.pod("again", "-c", SLEEP)
    first = await namespace.wait("pods", "again", is_ready)
    await namespace.delete_pod("again", grace=0)
    await namespace.pod("again", "-c", SLEEP)
    second = await namespace.wait(
        "pods", "again", lambda pod: pod["metadata"]["uid"] != first["metadata"]["uid"] and is_ready(pod)
    )
    assert pid_of(second) != pid_of(first)
    await eventually(lambda: not psutil.pid_exists(pid_of(first)), 10)
    assert psutil.pid_exists(pid_of(second))


@pytest.mark.parametrize(
    ("code", "policy", "phase"),
    [(0, "Never", "Succeeded"), (4, "Never", "Failed"), (0, "OnFailure", "Succeeded")],
)
async def test_pods_that_are_done(namespace: Namespace, code: int, policy: str, phase: str) -> None:
    script = f"open('/dev/termination-log', 'w').write('last words'); raise SystemExit({code})"
    await namespace.pod("done", "-c", script, restartPolicy=policy)
    pod = await namespace.wait("pods", "done", lambda pod: pod["status"]["phase"] == phase)
    terminated = status_of(pod)["state"]["terminated"]
    assert (terminated["exitCode"], terminated["message"]) == (code, "last words")
    assert datetime.fromisoformat(terminated["startedAt"]) <= datetime.fromisoformat(terminated["finishedAt"])
    assert status_of(pod)["restartCount"] == 0


async def test_on_failure_restarts_until_success(namespace: Namespace) -> None:
    script = (
        "import os, sys; tried = os.path.exists('t'); open('t', 'w').close(); sys.exit(0 if tried else 1)"
    )
    await namespace.pod("retry", "-c", script, restartPolicy="OnFailure")
    pod = await namespace.wait("pods", "retry", lambda pod: pod["status"]["phase"] == "Succeeded")
    assert status_of(pod)["restartCount"] == 1


async def test_a_pod_past_its_deadline_fails(namespace: Namespace) -> None:
    await namespace.pod("late", "-c", SLEEP, activeDeadlineSeconds=1)
    pod = await namespace.wait("pods", "late", lambda pod: "terminated" in status_of(pod)["state"])
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")


async def test_the_last_words_may_come_from_the_log(namespace: Namespace) -> None:
    await namespace.pod(
        "words",
        "-c",
        "print('out of luck'); raise SystemExit(1)",
        restartPolicy="Never",
        container_terminationMessagePolicy="FallbackToLogsOnError",
    )
    pod = await namespace.wait("pods", "words", lambda pod: pod["status"]["phase"] == "Failed")
    assert status_of(pod)["state"]["terminated"]["message"] == "out of luck\n"
