"""Contract of the node: what kubectl shows of it and does in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.node.cluster import SLEEP, Answer, Namespace, container, eventually, is_ready, pid_of, status_of

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]

COUNT = "for number in range(1000): print(number)"
# Prints, waits for the file `go` in its own directory, prints again and ends.
TWO_PARTS = """
import os, time
print("first", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
print("second", end="")
"""


def own_directory(namespace: Namespace, name: str) -> Path:
    assert namespace.cluster.node.pods is not None
    return namespace.cluster.node.pods.exec_target(namespace.name, name, "main").directory


@pytest_asyncio.fixture(loop_scope="session")
async def sleeper(namespace: Namespace) -> Namespace:
    """A namespace with a pod that waits for commands."""
    await namespace.secret("s", key="value")
    await namespace.pod(
        "sleeper",
        "-c",
        SLEEP,
        volumes=[{"name": "s", "secret": {"secretName": "s"}}],
        container_volumeMounts=[{"name": "s", "mountPath": "/mnt"}],
        container_env=[{"name": "OF_THE_POD", "value": "yes"}],
    )
    await namespace.wait("pods", "sleeper", is_ready)
    return namespace


# logs


async def test_logs_are_shown_whole_or_by_their_ends(namespace: Namespace) -> None:
    await namespace.pod("count", "-c", COUNT, restartPolicy="Never")
    await namespace.wait("pods", "count", lambda pod: pod["status"]["phase"] == "Succeeded")
    every = "".join(f"{number}\n" for number in range(1000)).encode()
    assert await namespace.kubectl("logs", "count") == Answer(0, every, b"")
    assert await namespace.kubectl("logs", "count", "--tail=2") == Answer(0, b"998\n999\n", b"")
    assert await namespace.kubectl("logs", "count", "--limit-bytes=4") == Answer(0, b"0\n1\n", b"")
    stamped = await namespace.kubectl("logs", "count", "--tail=1", "--timestamps")
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 999\n", stamped.out)
    later = await namespace.kubectl("logs", "count", "--since-time=2999-01-01T00:00:00Z")
    assert later == Answer(0, b"", b"")


async def test_followed_logs_come_as_they_are_written_and_end_with_the_container(
    namespace: Namespace,
) -> None:
    await namespace.pod("parts", "-c", TWO_PARTS, restartPolicy="Never")
    await namespace.wait("pods", "parts", is_ready)
    following = await namespace.start_kubectl("logs", "--follow", "parts")
    assert following.stdout is not None
    async with asyncio.timeout(10):
        assert await following.stdout.readline() == b"first\n"
        (own_directory(namespace, "parts") / "go").touch()
        assert await following.stdout.read() == b"second"
        assert await following.wait() == 0


async def test_previous_logs_are_those_of_the_instance_before(namespace: Namespace) -> None:
    script = f"""
import os
first = not os.path.exists("again")
open("again", "w").close()
print("one" if first else "two", flush=True)
if first:
    raise SystemExit(1)
{SLEEP}
"""
    await namespace.pod("restarted", "-c", script)
    early = await namespace.kubectl("logs", "restarted", "--previous", "-c", "main")
    await namespace.wait(
        "pods", "restarted", lambda pod: status_of(pod)["restartCount"] == 1 and is_ready(pod)
    )
    await eventually(lambda: namespace.logs("restarted") == "two\n", 5)
    assert (await namespace.kubectl("logs", "restarted")).out == b"two\n"
    assert (await namespace.kubectl("logs", "restarted", "--previous")).out == b"one\n"
    assert early.out in (b"", b"one\n")


async def test_logs_that_are_not_there_are_an_error_that_says_why(namespace: Namespace) -> None:
    late = {"name": "V", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}
    await namespace.pod("waits", "-c", SLEEP, container_env=[late])
    await namespace.wait("pods", "waits", lambda pod: status_of(pod)["state"]["waiting"]["message"])
    waiting = await namespace.kubectl("logs", "waits")
    assert waiting.code == 1
    assert b'container "main" in pod "waits" is waiting to start: CreateContainerConfigError' in waiting.err
    previous = await namespace.kubectl("logs", "waits", "--previous")
    assert b'previous terminated container "main" in pod "waits" not found' in previous.err
    other = await namespace.kubectl("logs", "waits", "-c", "other")
    assert (other.code, b"container other is not valid for pod waits" in other.err) == (1, True)


async def test_logs_of_each_container_of_a_deployment(namespace: Namespace) -> None:
    labels = {"app": "two"}
    spec = {
        "containers": [container("-c", f"print({name!r}); {SLEEP}", name=name) for name in ("a", "b")],
        "initContainers": [container("-c", "print('init')", name="init")],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    deployment = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    await namespace.create("deployments", {"metadata": {"name": "two"}, "spec": deployment})
    available = await namespace.kubectl("wait", "deployment/two", "--for=condition=Available")
    assert available.code == 0, available.err
    for name in ("a", "b", "init"):
        assert (await namespace.kubectl("logs", "deployment/two", "-c", name)).out == f"{name}\n".encode()
    every = await namespace.kubectl("logs", "--selector=app=two", "--all-containers", "--prefix")
    assert (
        sorted(line.rpartition(b" ")[2] for line in every.out.splitlines())
        == [b"a", b"a", b"b", b"b"] + [b"init"] * 2
    )


# exec


async def test_exec_keeps_the_streams_apart_and_hands_the_exit_code_on(sleeper: Namespace) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    answer = await sleeper.kubectl("exec", "sleeper", "--", "python", "-c", script)
    assert answer == Answer(7, b"out\n", b"err\ncommand terminated with exit code 7\n")


async def test_exec_is_in_the_container(sleeper: Namespace) -> None:
    script = "import json, os; print(json.dumps([os.getcwd(), os.environ['OF_THE_POD'], os.getppid()]))"
    answer = await sleeper.kubectl("exec", "sleeper", "--", "python", "-c", script)
    directory, variable, parent = json.loads(answer.out)
    assert (Path(directory), variable, parent) == (own_directory(sleeper, "sleeper"), "yes", os.getpid())
    assert (await sleeper.kubectl("exec", "sleeper", "--", "cat", "/mnt/key")).out == b"value"


async def test_exec_takes_input_until_its_end(sleeper: Namespace) -> None:
    answer = await sleeper.kubectl("exec", "-i", "sleeper", "--", "sort", "-r", stdin=b"1\n3\n2\n")
    assert answer == Answer(0, b"3\n2\n1\n", b"")


async def test_exec_loses_no_byte_of_much(sleeper: Namespace) -> None:
    much = os.urandom(5_000_000)
    assert await sleeper.kubectl("exec", "-i", "sleeper", "--", "cat", stdin=much) == Answer(0, much, b"")


async def test_exec_of_a_program_that_does_not_exist(sleeper: Namespace) -> None:
    answer = await sleeper.kubectl("exec", "sleeper", "--", "no-such-program")
    assert answer.code == 1
    assert b'exec: "no-such-program": executable file not found in $PATH' in answer.err


async def test_exec_in_a_terminal(sleeper: Namespace) -> None:
    script = "import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), input())"
    ours, theirs = pty.openpty()
    try:
        running = await sleeper.start_kubectl(
            "exec", "-it", "sleeper", "--", "python", "-c", script, stdin=theirs
        )
        os.write(ours, b"typed\n")
        async with asyncio.timeout(10):
            out, _ = await running.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    assert running.returncode == 0
    assert b"True True typed\r\n" in out


async def test_an_exec_ends_with_its_container(sleeper: Namespace) -> None:
    running = await sleeper.start_kubectl("exec", "sleeper", "--", "sh", "-c", "echo $$; exec sleep 3600")
    assert running.stdout is not None
    pid = int(await running.stdout.readline())
    await sleeper.delete_pod("sleeper", grace=1)
    async with asyncio.timeout(15):
        await running.communicate()
    assert running.returncode == 128 + 9
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("source", ["/dev/null", "/dev/zero"])
async def test_an_exec_ends_with_its_client(sleeper: Namespace, source: str) -> None:
    """Also when the client has sent more than the command takes, so that its end is not read."""
    command = ("sh", "-c", "echo $$; exec sleep 3600")
    with Path(source).open("rb") as stdin:  # noqa: ASYNC230  a device that answers at once
        running = await sleeper.start_kubectl("exec", "-i", "sleeper", "--", *command, stdin=stdin)
    assert running.stdout is not None
    pid = int(await running.stdout.readline())
    running.kill()
    await running.communicate()
    await eventually(lambda: not psutil.pid_exists(pid), 10)


@pytest.mark.parametrize("command", [("port-forward", "sleeper", "0:8000"), ("attach", "sleeper")])
async def test_what_is_not_served_says_what_to_do_instead(
    sleeper: Namespace, command: tuple[str, ...]
) -> None:
    running = await sleeper.start_kubectl(*command)
    assert running.stderr is not None
    told = b""
    try:
        async with asyncio.timeout(15):
            while b"this node does not serve" not in told:
                piece = await running.stderr.read(4096)
                assert piece, told
                told += piece
    finally:
        with contextlib.suppress(ProcessLookupError):  # one of them ends by itself once it is told
            running.kill()
        await running.communicate()


# rollouts


async def test_a_rollout_is_followed_undone_and_restarted(namespace: Namespace) -> None:
    async def done(*args: str) -> str:
        answer = await namespace.kubectl(*args, seconds=60)
        assert answer.code == 0, answer.err
        return answer.out.decode()

    def template(version: str) -> dict[str, object]:
        env = [{"name": "VERSION", "value": version}]
        spec = {"containers": [container("-c", SLEEP, env=env)], "terminationGracePeriodSeconds": 1}
        return {"metadata": {"labels": {"app": "web"}}, "spec": spec}

    async def version() -> str:
        script = "import os; print(os.environ['VERSION'])"
        return await done("exec", "deployment/web", "--", "python", "-c", script)

    selector = {"matchLabels": {"app": "web"}}
    manifest = {"replicas": 2, "selector": selector, "template": template("1")}
    await namespace.create("deployments", {"metadata": {"name": "web"}, "spec": manifest})
    assert "successfully rolled out" in await done("rollout", "status", "deployment/web", "--timeout=60s")
    assert await version() == "1\n"
    await namespace.update("deployments", "web", {"spec": {"template": template("2")}})
    await done("rollout", "status", "deployment/web", "--timeout=60s")
    await done("wait", "pod", "--selector=app=web", "--for=condition=Ready", "--timeout=30s")
    await done("rollout", "undo", "deployment/web")
    assert "successfully rolled out" in await done("rollout", "status", "deployment/web", "--timeout=60s")
    before = {pid_of(pod) for pod in await namespace.pods() if _stays(pod)}
    assert len(before) == 2
    await done("rollout", "restart", "deployment/web")
    await done("rollout", "status", "deployment/web", "--timeout=60s")
    after = {pid_of(pod) for pod in await namespace.pods() if _stays(pod)}
    assert not before & after
    await done("scale", "deployment/web", "--replicas=0")
    await done("wait", "pod", "--selector=app=web", "--for=delete", "--timeout=30s")
    assert await namespace.pods() == []
    assert not any(psutil.pid_exists(pid) for pid in before | after)


async def test_a_rollout_that_cannot_become_ready_is_told_in_time(namespace: Namespace) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": {"app": "bad"}},
        "spec": {"containers": [container("-c", SLEEP, readinessProbe=probe)]},
    }
    spec = {"selector": {"matchLabels": {"app": "bad"}}, "template": template, "progressDeadlineSeconds": 2}
    await namespace.create("deployments", {"metadata": {"name": "bad"}, "spec": spec})
    answer = await namespace.kubectl("rollout", "status", "deployment/bad", "--timeout=30s")
    assert answer.code == 1
    assert b"exceeded its progress deadline" in answer.err


def _stays(pod: dict[str, dict[str, object]]) -> bool:
    return "deletionTimestamp" not in pod["metadata"]
