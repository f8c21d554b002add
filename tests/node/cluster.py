"""What the contract suite does with a cluster."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.embedded.control_plane import ControlPlane
from environments.embedded.node.api import Api, ApiError, WatchEvent
from environments.embedded.node.node import Node
from environments.embedded.site import Site

type Object = dict[str, Any]

PROBE = "mita-finance/probe:1"
SLEEP = "import time; time.sleep(3600)"
_numbers = itertools.count()


@dataclass(frozen=True)
class Cluster:
    site: Site
    plane: ControlPlane
    node: Node
    api: Api

    async def namespace(self, title: str) -> Namespace:
        """Make a namespace that pods can be created in."""
        name = f"{re.sub('[^a-z0-9]+', '-', title.lower())[:40].strip('-')}-{next(_numbers)}"
        await self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        namespace = Namespace(self, name)
        await namespace.wait("serviceaccounts", "default", lambda _: True)
        await namespace.wait("configmaps", "kube-root-ca.crt", lambda _: True)
        return namespace

    def kubectl_argv(self, *args: str) -> list[str]:
        kubeconfig = str(self.plane.admin_kubeconfig)
        return [str(self.site.tools["kubectl"]), "--kubeconfig", kubeconfig, *args]

    def volume(self, pod: Object, name: str) -> Path:
        """Return where a pod's volume lies."""
        return self.site.run.root / "pods" / str(pod["metadata"]["uid"]) / "volumes" / name


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: bytes
    err: bytes


@dataclass(frozen=True)
class Namespace:
    cluster: Cluster
    name: str

    def path(self, kind: str, name: str = "") -> str:
        groups = {
            "deployments": "apps/v1",
            "replicasets": "apps/v1",
            "jobs": "batch/v1",
            "endpointslices": "discovery.k8s.io/v1",
        }
        prefix = f"/apis/{groups[kind]}" if kind in groups else "/api/v1"
        return f"{prefix}/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    async def kubectl(self, *args: str, stdin: bytes | None = None, seconds: float = 30) -> Answer:
        """Run kubectl in the namespace."""
        process = await self.start_kubectl(*args, stdin=None if stdin is None else asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(seconds):
                out, err = await process.communicate(stdin)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Answer(process.returncode, out, err)

    async def start_kubectl(self, *args: str, **streams: Any) -> asyncio.subprocess.Process:  # noqa: ANN401  as Popen's
        """Start kubectl in the namespace; its output comes by pipes."""
        pipes = {"stdin": None, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        argv = self.cluster.kubectl_argv("--namespace", self.name, *args)
        return await asyncio.create_subprocess_exec(*argv, **{**pipes, **streams})

    async def create(self, kind: str, body: Object) -> Object:
        return await self.cluster.api.create(self.path(kind), body)

    async def get(self, kind: str, name: str) -> Object:
        return await self.cluster.api.get(self.path(kind, name))

    async def pods(self, selector: str = "") -> list[Object]:
        listed = await self.cluster.api.list(self.path("pods"), labelSelector=selector)
        return list(listed["items"])

    async def wait(self, kind: str, name: str, holds: Callable[[Object], Any], seconds: float = 30) -> Object:
        """Follow an object until something holds for it; a deletion shows as an empty object.

        An absent object is waited for.
        """
        seen: Object = {}
        try:
            async with asyncio.timeout(seconds):
                selector = f"metadata.name={name}"
                async for event in self.cluster.api.watch(self.path(kind), fieldSelector=selector):
                    if event.type == "SYNCED":
                        continue
                    seen = {} if event.type == "DELETED" else event.object
                    if _asked(holds, seen):
                        return seen
        except TimeoutError:
            events = [f"{each['reason']}: {each['message']}" for each in await self.events(name)]
            raise AssertionError(
                f"{kind} {name} after {seconds} s: {seen.get('status', seen)}; events {events}"
            ) from None
        raise AssertionError("a watch never ends")

    async def gone(self, kind: str, name: str, seconds: float = 30) -> None:
        """Wait until an object is not there."""
        async with asyncio.timeout(seconds):
            async for event in self.cluster.api.watch(self.path(kind), fieldSelector=f"metadata.name={name}"):
                if event.type == "DELETED":
                    return
                if event.type == "SYNCED":
                    try:
                        await self.get(kind, name)
                    except ApiError:
                        return

    async def collect(self, kind: str, into: list[WatchEvent]) -> None:
        """Collect what happens to a kind of objects until cancelled."""
        async for event in self.cluster.api.watch(self.path(kind)):
            into.append(event)  # noqa: PERF401  it never ends

    async def pod(self, name: str, *args: str, **fields: Any) -> Object:  # noqa: ANN401  JSON
        """Create a pod that runs Python with the given arguments."""
        return await self.create("pods", pod(name, *args, **fields))

    async def delete_pod(self, name: str, grace: int | None = None) -> None:
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        await self.cluster.api.delete(self.path("pods", name), options)

    async def delete_pods(self) -> None:
        """Delete everything that makes pods, then the pods, and wait until they are gone."""
        for kind in ("deployments", "jobs", "replicasets"):
            await self.cluster.api.delete(self.path(kind), {"propagationPolicy": "Background"})
        await self.cluster.api.delete(self.path("pods"), {"gracePeriodSeconds": 1})
        await eventually(self.empty, 30)

    async def empty(self) -> bool:
        return not await self.pods()

    async def events(self, name: str) -> list[Object]:
        listed = await self.cluster.api.list(self.path("events"), fieldSelector=f"involvedObject.name={name}")
        return list(listed["items"])

    async def event(self, name: str, reason: str, text: str = "", seconds: float = 20) -> Object:
        """Wait for an event about an object."""
        path, selector = self.path("events"), f"involvedObject.name={name}"
        async with asyncio.timeout(seconds):
            async for event in self.cluster.api.watch(path, fieldSelector=selector):
                if event.type == "SYNCED":
                    continue
                if event.object["reason"] == reason and text in event.object["message"]:
                    return event.object
        raise AssertionError("a watch never ends")

    async def secret(self, name: str, **values: str) -> Object:
        return await self.create("secrets", {"metadata": {"name": name}, "data": encoded(values)})

    async def update(self, kind: str, name: str, change: Object) -> Object:
        return await self.cluster.api.patch(self.path(kind, name), change, content_type="merge")

    def logs(self, name: str, container: str = "main", *, previous: bool = False) -> str:
        assert self.cluster.node.pods is not None
        return self.cluster.node.pods.log_file(self.name, name, container, previous=previous).read_text()


def encoded(values: dict[str, str]) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}


def container(*args: str, **fields: Any) -> Object:  # noqa: ANN401  JSON
    return {"name": "main", "image": PROBE, "args": list(args), **fields}


def pod(name: str, *args: str, **fields: Any) -> Object:  # noqa: ANN401  JSON
    """Return a pod with one container that runs Python; ``container_x`` is the container's field x."""
    own = {
        key.removeprefix("container_"): fields.pop(key)
        for key in list(fields)
        if key.startswith("container_")
    }
    metadata = {"name": name, **fields.pop("metadata", {})}
    spec = {"containers": [container(*args, **own)], "terminationGracePeriodSeconds": 5, **fields}
    return {"metadata": metadata, "spec": spec}


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready") == "True"


def condition(pod: Object, kind: str) -> str | None:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((each["status"] for each in conditions if each["type"] == kind), None)


def status_of(pod: Object, name: str = "main") -> Object:
    status = pod.get("status", {})
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return next((each for each in statuses if each["name"] == name), {})


def pid_of(pod: Object, name: str = "main") -> int:
    """Return the pid of the program that a container runs, or ran."""
    return int(status_of(pod, name)["containerID"].removeprefix("process://").partition("-")[0])


async def eventually(holds: Callable[[], Any], seconds: float) -> None:
    """Look again and again until something holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        answer = holds()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert loop.time() < deadline, f"{holds} does not hold after {seconds} s"
        await asyncio.sleep(0.05)


def _asked(holds: Callable[[Object], Any], seen: Object) -> bool:
    try:
        return bool(holds(seen))
    except (KeyError, IndexError):  # the field is not there yet
        return False
