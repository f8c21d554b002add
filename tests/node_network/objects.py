"""Services and EndpointSlices as the API holds them, and an API that plays them to a watcher."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

from environments.embedded.node.api import Api, EventType, Object, WatchEvent
from environments.embedded.node.services import ENDPOINT_SLICES, SERVICES

_versions = itertools.count(1)


def metadata(name: str, **more: object) -> Object:
    return {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "resourceVersion": str(next(_versions)),
        **more,
    }


def port(number: int, name: str = "", protocol: str = "TCP") -> Object:
    """A port of a service or of an endpoint slice."""
    return {"port": number, "protocol": protocol} | ({"name": name} if name else {})


def service(name: str = "web", address: str = "10.80.128.5", *ports: Object, **spec: object) -> Object:
    return {"metadata": metadata(name), "spec": {"clusterIP": address, "ports": list(ports), **spec}}


def endpoint(address: str, **conditions: bool) -> Object:
    return {"addresses": [address], "conditions": conditions}


def endpoint_slice(
    *endpoints: Object, ports: list[Object], name: str = "web-1", of: str = "web", **more: object
) -> Object:
    return {
        "metadata": metadata(name, labels={"kubernetes.io/service-name": of}),
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": ports,
        **more,
    }


class FakeApi(Api):
    """Yields the events that it is told, and keeps what is created."""

    def __init__(self, refuse: Callable[[], Exception] | None = None) -> None:
        self.refuse = refuse
        self.refused = 0
        self.created: list[tuple[str, Object]] = []
        self._queues: dict[str, asyncio.Queue[WatchEvent]] = {
            SERVICES: asyncio.Queue(),
            ENDPOINT_SLICES: asyncio.Queue(),
        }

    def tell(self, item: Object, kind: EventType = "ADDED") -> None:
        path = ENDPOINT_SLICES if "addressType" in item else SERVICES
        self._queues[path].put_nowait(WatchEvent(kind, item))

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """Reason and message of each event."""
        return [(event["reason"], event["message"]) for _, event in self.created]

    async def watch(self, path: str, **_: object) -> AsyncIterator[WatchEvent]:
        yield WatchEvent("SYNCED", {})
        while True:
            yield await self._queues[path].get()

    async def create(self, path: str, body: Object, **_: object) -> Object:
        if self.refuse is not None:
            self.refused += 1
            raise self.refuse()
        self.created.append((path, body))
        return body
