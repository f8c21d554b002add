"""Follows the pods that are bound to the node, and knows where each runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from environments.embedded.node.api import Object
from environments.embedded.node.container import Container
from environments.embedded.node.node_context import NodeContext
from environments.embedded.node.pod import Pod
from environments.embedded.node.server import ExecTarget
from environments.embedded.node.state import Running, Waiting

logger = logging.getLogger(__name__)


class Pods:
    """The pods of one node; a `PodSource` for its server.

    Args:
        context: What they share.
        node: The node's name.
    """

    def __init__(self, context: NodeContext, node: str) -> None:
        self._context = context
        self._node = node
        self._pods: dict[str, Pod] = {}  # by uid, in order of appearance
        self._tasks: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Start what is bound and end what is deleted, until cancelled.

        Pods go on running while the API server is away: only what it says ends them.
        """
        async for event in self._context.api.watch(
            "/api/v1/pods", fieldSelector=f"spec.nodeName={self._node}"
        ):
            if event.type == "DELETED":
                known = self._pods.pop(event.object["metadata"]["uid"], None)
                if known is not None:
                    known.forget()
            elif event.type != "SYNCED":
                self._put(event.object)

    async def stop(self, grace: float) -> None:
        """End every pod within the grace (seconds), leaving the objects as they are."""
        for pod in self._pods.values():
            pod.forget(grace)
        # Also those whose objects are gone already.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _put(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].update(pod)
            return
        fresh = self._pods[uid] = Pod(pod, self._context)
        task = asyncio.create_task(fresh.run(), name=f"pod {pod['metadata']['name']}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    # PodSource

    def log_file(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> Path:
        """Name the file that holds the output of a container's current, or last ended, instance.

        Raises:
            LookupError: There is no such pod, container or previous instance.
        """
        found, of = self._container(namespace, pod, container)
        instance, current = of.state.restarts, of.state.current
        if previous:
            if of.state.last is None:
                raise LookupError(f'previous terminated container "{container}" in pod "{pod}" not found')
            # Between two instances the one that ended last is the previous one already.
            instance -= 0 if isinstance(current, Waiting) else 1
        elif isinstance(current, Waiting) and of.state.last is None:
            raise LookupError(f'container "{container}" in pod "{pod}" is waiting to start: {current.reason}')
        return found.sandbox.log(container, instance)

    def is_running(self, namespace: str, pod: str, container: str) -> bool:
        """Tell whether the container's current instance runs.

        Raises:
            LookupError: There is no such pod or container.
        """
        return isinstance(self._container(namespace, pod, container)[1].state.current, Running)

    def exec_target(self, namespace: str, pod: str, container: str) -> ExecTarget:
        """Say how a command is run in a running container.

        Raises:
            LookupError: There is no such pod or container, or it does not run.
        """
        launch = self._container(namespace, pod, container)[1].running
        if launch is None:
            raise LookupError(f'container "{container}" in pod "{pod}" is not running')
        return ExecTarget(launch.environment, launch.directory, launch.rewrite)

    def pods(self) -> Sequence[Mapping[str, Any]]:
        """Return the API objects of the node's pods."""
        return [pod.object for pod in self._pods.values()]

    def _container(self, namespace: str, name: str, container: str) -> tuple[Pod, Container]:
        for pod in reversed(list(self._pods.values())):
            metadata = pod.object["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                for each in pod.containers:
                    if each.name == container:
                        return pod, each
                raise LookupError(f'container "{container}" not found in pod "{name}"')
        raise LookupError(f'pod "{name}" does not exist')

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: %r", task.get_name(), error, exc_info=error)
