"""One pod, from its binding to this node until nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import aiohttp

from environments.embedded.network import Network
from environments.embedded.node import support
from environments.embedded.node.api import ApiError, Object
from environments.embedded.node.container import Container
from environments.embedded.node.downward import Surroundings
from environments.embedded.node.events import EventKind
from environments.embedded.node.handlers import Launch
from environments.embedded.node.images import UnknownImageError
from environments.embedded.node.node_context import NodeContext
from environments.embedded.node.pod_volumes import PodVolumes
from environments.embedded.node.pulse import either
from environments.embedded.node.sandbox import Sandbox
from environments.embedded.node.state import ContainerState, PodState, Role, Waiting
from environments.embedded.node.status_reporter import StatusReporter
from environments.embedded.node.tokens import PodTokens
from environments.embedded.node.volumes import token_requests

logger = logging.getLogger(__name__)

_DEFAULT_GRACE_SECONDS = 30
_FORCED_GRACE_SECONDS = 1
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0
_NOT_OURS = (404, 409)


class Pod:
    """One pod of this node.

    Args:
        pod: The pod as the watch brought it.
        context: What it shares with the other pods.

    Attributes:
        object: The pod as the API has it now.
        sandbox: Its place on this machine.
        containers: Its containers, in the order of the spec, those for initialisation first.
        timing: The node's times.
        http: Session for the requests of probes and hooks.
        referents_changed: Beats when a ConfigMap or Secret that it refers to changed.
    """

    def __init__(self, pod: Object, context: NodeContext) -> None:
        self.object = pod
        self.timing = context.timing
        self.http = context.http
        self._context = context
        self._state = PodState(started=datetime.now(UTC), address=context.addresses.take())
        surroundings = Surroundings(
            pod_address=context.network.bound(self._state.address),
            host_address=context.network.loopback(Network.NODE),
            allocatable=context.allocatable,
        )
        self.sandbox = Sandbox(context.run, pod, surroundings, context.access)
        host = context.network.recorded(Network.NODE)
        self._reporter = StatusReporter(context.api, lambda: self.object, self._state, host)
        tokens = PodTokens(context.api, pod, token_requests(pod["spec"]), context.timing.token_refresh)
        self._volumes = PodVolumes(pod, self.sandbox, context.objects, tokens, self._mount_trouble)
        self.referents_changed = self._volumes.changed
        self.containers = [
            Container(spec, state, self) for spec, state in _begun(pod["spec"], self._state.containers)
        ]
        self._stopping = asyncio.Event()  # nothing more is to be started
        self._leaving = asyncio.Event()  # the object is to go, or is gone
        self._forgotten = False  # the object is not to be touched any more
        self._deadline = float("inf")
        self.update(pod)

    # What others tell it

    def update(self, pod: Object) -> None:
        """Take note of the object's new state, a request for its deletion above all."""
        self.object = pod
        self._volumes.pod_changed(pod)
        self._reporter.changed()
        if "deletionTimestamp" in pod["metadata"]:
            self._leaving.set()
            self._stop(pod["metadata"].get("deletionGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))

    def forget(self, grace: float = _FORCED_GRACE_SECONDS) -> None:
        """End the pod within the grace (seconds) without touching its object, which is gone or to be left."""
        self._forgotten = True
        self._leaving.set()
        self._stop(grace)

    # What its containers need

    def launch(self, container: Object) -> Launch:
        """Say how a container's program is started now.

        Raises:
            LookupError: A variable refers to what is not there (yet).
        """
        spec, metadata = self.object["spec"], self.object["metadata"]
        services = self._context.service_variables(
            metadata["namespace"], spec.get("enableServiceLinks", True)
        )
        image = self._context.images.find(container["image"])
        return self.sandbox.launch(container, self.object, image, services, self._volumes.lookup)

    def changed(self) -> None:
        """Have the pod's status reported."""
        self._reporter.changed()

    def event(self, kind: EventKind, reason: str, message: str, container: str = "") -> None:
        """Record an event about the pod or one of its containers."""
        field = ""
        if container:
            initial = [each["name"] for each in self.object["spec"].get("initContainers", [])]
            field = f"spec.{'initContainers' if container in initial else 'containers'}{{{container}}}"
        self._context.events.record(self.object, kind, reason, message, field)

    # Its life

    async def run(self) -> None:
        """Live: until the object is gone and no process of the pod is left."""
        reporting = asyncio.create_task(self._reporter.run())
        try:
            await self._live()
            self._state.ended = True
            self._reporter.changed()
            self._volumes.release()
            self.sandbox.remove()
            await self._leaving.wait()
        finally:
            await self._reporter.end(reporting)
            self._volumes.release()
            self.sandbox.remove()
            self._context.addresses.give_back(self._state.address)
        if not self._forgotten:
            await self._reporter.report()
            await self._delete()

    async def _live(self) -> None:
        try:
            if self._admitted() and await self._found_images():
                await self._work()
        except Exception as error:
            # Whatever went wrong belongs in front of those who look at the pod.
            logger.exception("pod %s", self.object["metadata"]["name"])
            self._fail("NodeError", f"the node failed to run it: {error!r}"[:1000])

    def _admitted(self) -> bool:
        """Compare the spec with what the node supports, and say what it does not."""
        verdict = support.check(self.object["spec"])
        if verdict.refused:
            self._fail("Unsupported", "not supported by this node: " + "; ".join(verdict.refused))
        elif verdict.unenforced:
            fields = ", ".join(verdict.unenforced)
            self.event("Normal", "NotEnforced", f"accepted, but not enforced by this node: {fields}")
        return not verdict.refused

    async def _found_images(self) -> bool:
        """Look up every image; with an unknown one, wait for the pod's end."""
        unknown = False
        for container in self.containers:
            try:
                self._context.images.find(container.state.image)
            except UnknownImageError as error:
                container.state.current = Waiting("ErrImageNeverPull", str(error))
                self.event("Warning", "ErrImageNeverPull", str(error), container.name)
                unknown = True
        if unknown:
            self._reporter.changed()
            await self._stopping.wait()
        return not unknown

    async def _work(self) -> None:
        self.sandbox.prepare(self.object["spec"])
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._volumes.follow())
            expiry = self._expiry()
            await either(self._volumes.mounted, self._stopping)
            if not self._stopping.is_set():
                self._state.prepared = True
                self._reporter.changed()
                await self._run_containers(tasks)
            if expiry is not None:
                expiry.cancel()
            following.cancel()

    async def _run_containers(self, tasks: asyncio.TaskGroup) -> None:
        """Run those for initialisation one after another, then the main ones, beside the sidecars."""
        sidecars: list[tuple[Container, asyncio.Task[None]]] = []
        if await self._initialize(tasks, sidecars):
            self._state.initialized = True
            self._reporter.changed()
            main = [container for container in self.containers if container.state.role is Role.MAIN]
            await asyncio.gather(*(tasks.create_task(container.run()) for container in main))
        grace = self.object["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
        deadline = min(self._deadline, asyncio.get_running_loop().time() + grace)
        for sidecar, running in reversed(sidecars):
            sidecar.stop(deadline)
            await running

    async def _initialize(
        self, tasks: asyncio.TaskGroup, sidecars: list[tuple[Container, asyncio.Task[None]]]
    ) -> bool:
        """Run the containers for initialisation; return whether the main ones may follow."""
        for container in self.containers:
            if self._stopping.is_set():
                return False
            match container.state.role:
                case Role.SIDECAR:
                    sidecars.append((container, tasks.create_task(container.run())))
                    await either(container.started, self._stopping)
                case Role.INIT:
                    await container.run()
                    if not container.state.succeeded:
                        return False
                case Role.MAIN:
                    break
        return not self._stopping.is_set()

    # Its end

    def _stop(self, grace: float) -> None:
        """Have everything end within the grace (seconds); a later deadline than before changes nothing."""
        self._stopping.set()
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + grace)
        for container in self.containers:
            # Sidecars end after those that they serve.
            if container.state.role is not Role.SIDECAR:
                container.stop(self._deadline)

    def _expiry(self) -> asyncio.TimerHandle | None:
        seconds = self.object["spec"].get("activeDeadlineSeconds")
        return None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
        self._stop(self.object["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS))

    def _fail(self, reason: str, message: str) -> None:
        self._state.reason, self._state.message = reason, message
        self.event("Warning", reason, message)
        self._reporter.changed()

    def _mount_trouble(self, message: str) -> None:
        self.event("Warning", "FailedMount", message)

    async def _delete(self) -> None:
        """Remove the object, which has waited for its processes to end."""
        metadata = self.object["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        pause = _FIRST_RETRY_SECONDS
        while not self._forgotten:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                try:
                    await self._context.api.delete(path, options)
                except ApiError as error:
                    if error.status not in _NOT_OURS:
                        logger.warning("pod %s is not deleted: %s", metadata["name"], error)
                        raise TimeoutError from error
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_RETRY_SECONDS)


def _begun(spec: Object, states: list[ContainerState]) -> Iterator[tuple[Object, ContainerState]]:
    """Yield each container's spec and its first state, which is put into the pod's as well."""
    initial = spec.get("initContainers", [])
    reason = "PodInitializing" if initial else "ContainerCreating"
    for container in [*initial, *spec["containers"]]:
        role = Role.MAIN
        if any(container is each for each in initial):
            role = Role.SIDECAR if container.get("restartPolicy") == "Always" else Role.INIT
        state = ContainerState(
            name=container["name"], image=container["image"], role=role, current=Waiting(reason)
        )
        states.append(state)
        yield container, state
