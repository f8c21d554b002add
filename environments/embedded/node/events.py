"""Events of the node, written one after another and never in the way of its work."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import aiohttp

from environments.embedded.node.api import Api, ApiError, Object
from environments.embedded.node.status import timestamp

logger = logging.getLogger(__name__)

type EventKind = Literal["Normal", "Warning"]

_MESSAGE_CHARACTERS = 1024
_WAITING = 1000
_REMEMBERED = 4096
_ATTEMPTS = 6
_FIRST_RETRY_SECONDS = 0.5


@dataclass(slots=True)
class _Written:
    path: str
    count: int


class EventRecorder:
    """Writes events; an equal one raises the count of the one before.

    Args:
        api: The API server as the node.
        node: The node's name, the events' source.
    """

    def __init__(self, api: Api, node: str) -> None:
        self._api = api
        self._node = node
        self._waiting: asyncio.Queue[Object] = asyncio.Queue(maxsize=_WAITING)
        self._written: OrderedDict[Hashable, _Written] = OrderedDict()

    def record(self, involved: Object, kind: EventKind, reason: str, message: str, field: str = "") -> None:
        """Have an event written; when too many wait it is dropped, as the kubelet does.

        Args:
            involved: The object that it is about.
            kind: Whether it is a warning.
            reason: One word for programs.
            message: For people; never a secret value.
            field: The part of the object, for example ``spec.containers{mita}``.
        """
        metadata = involved["metadata"]
        now = timestamp(datetime.now(UTC))
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:200]}.{uuid.uuid4().hex[:16]}",
                "namespace": metadata.get("namespace", "default"),
            },
            "involvedObject": {
                "apiVersion": involved.get("apiVersion", "v1"),
                "kind": involved.get("kind", "Pod"),
                "name": metadata["name"],
                "uid": metadata["uid"],
                **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
                **({"fieldPath": field} if field else {}),
            },
            "type": kind,
            "reason": reason,
            "message": message[:_MESSAGE_CHARACTERS],
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            logger.warning("event dropped: %s %s: %s", metadata["name"], reason, message)

    async def run(self) -> None:
        """Write what is recorded until cancelled."""
        while True:
            event = await self._waiting.get()
            try:
                await self._write(event)
            finally:
                self._waiting.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until everything recorded is written, or the time is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), seconds)

    async def _write(self, event: Object) -> None:
        pause = _FIRST_RETRY_SECONDS
        for _ in range(_ATTEMPTS):
            try:
                return await self._attempt(event)
            except ApiError as error:
                # Most often the namespace is on its way out.
                logger.debug("event refused: %s", error)
                return None
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(pause)
                pause *= 2
        return None

    async def _attempt(self, event: Object) -> None:
        involved = event["involvedObject"]
        key = (involved["uid"], involved.get("fieldPath"), event["reason"], event["message"])
        written = self._written.get(key)
        if written is not None:
            self._written.move_to_end(key)
            written.count += 1
            change = {"count": written.count, "lastTimestamp": event["lastTimestamp"]}
            try:
                await self._api.patch(written.path, change, content_type="merge")
            except ApiError:  # it has expired
                del self._written[key]
            else:
                return
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        await self._api.create(path, event)
        self._written[key] = _Written(f"{path}/{event['metadata']['name']}", 1)
        if len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)
