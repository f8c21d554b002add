"""Keeps a pod's status in the API equal to what the node knows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp

from environments.embedded.node.api import Api, ApiError, Object
from environments.embedded.node.state import PodState
from environments.embedded.node.status import overruled, pod_status, status_patch

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0
_PATIENCE_SECONDS = 1.0
_OF_ANOTHER_POD = (404, 409)


class StatusReporter:
    """Reports one pod's status, each time that it differs from what was reported last or from the API's.

    Args:
        api: The API server as the node.
        pod: Returns the pod as the API has it now.
        state: What the node knows about it.
        host_address: The node's recorded address.
    """

    def __init__(self, api: Api, pod: Callable[[], Object], state: PodState, host_address: str) -> None:
        self._api = api
        self._pod = pod
        self._state = state
        self._host_address = host_address
        self._dirty = asyncio.Event()
        self._sending = asyncio.Lock()
        self._sent: Object = {}
        self._conditions: list[Object] = pod().get("status", {}).get("conditions") or []

    def changed(self) -> None:
        """Have the status reported soon; several changes at once are one report."""
        self._dirty.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self.report()

    async def end(self, running: asyncio.Task[None]) -> None:
        """Cancel the task of `run`, if possible not within a request: that would cost its connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS), self._sending:
                running.cancel()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def report(self) -> None:
        """Report the status as it is now; while the API server is away, try again with a back-off."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            try:
                async with self._sending:
                    return await self._send()
            except ApiError as error:
                # The pod is gone, or another has its name.
                if error.status in _OF_ANOTHER_POD:
                    return None
                logger.warning("status of pod %s refused: %s", self._pod()["metadata"]["name"], error)
            except (aiohttp.ClientError, TimeoutError) as error:
                logger.debug("status of pod %s not reported: %s", self._pod()["metadata"]["name"], error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._dirty.wait(), pause)
            pause = min(pause * 2, _LAST_RETRY_SECONDS)

    async def _send(self) -> None:
        pod = self._pod()
        status = pod_status(
            pod,
            self._state,
            previous=self._conditions,
            host_address=self._host_address,
            now=datetime.now(UTC),
        )
        if status == self._sent and not overruled(pod, status):
            return
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        await self._api.patch(path, status_patch(pod, status), content_type="strategic-merge")
        self._sent, self._conditions = status, status["conditions"]
