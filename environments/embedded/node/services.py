"""The service proxy: what kube-proxy does, in this process and without privilege."""

from __future__ import annotations

import asyncio
import datetime
import errno
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from environments.embedded.network import Network
from environments.embedded.node.api import Api, ApiError, Object, WatchEvent
from environments.embedded.node.forwarder import Forwarder
from environments.embedded.node.service_ports import (
    SERVICE_LABEL,
    Address,
    ServicePort,
    chosen_endpoints,
    outside,
    served_ports,
    unsupported,
)
from environments.embedded.node.splice import Connections

logger = logging.getLogger(__name__)

SERVICES = "/api/v1/services"
ENDPOINT_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
RETRY_SECONDS = 5.0
COMPONENT = "mita-service-proxy"

type Key = tuple[str, str]
"""Namespace and name of a service."""

type Remark = tuple[str, str]
"""Reason and message of a warning about a service."""


class ServiceProxy:
    """Listens on the cluster addresses of all services and forwards to their endpoints.

    A connection goes to the next ready endpoint in turn; one that refuses it is passed
    over.  What a service asks for beyond TCP on its cluster IP, and an address that cannot
    be listened on, becomes a Warning event on the service.

    Args:
        api: The API server, as an identity that may watch services and endpoint slices
            everywhere and create events.
        network: Where the recorded addresses are really bound.
    """

    def __init__(self, api: Api, network: Network) -> None:
        self._api = api
        self._network = network
        self._services: dict[Key, Object] = {}
        self._slices: dict[Key, dict[str, Object]] = {}
        self._forwarders: dict[Key, dict[ServicePort, Forwarder]] = {}
        self._told: dict[Key, frozenset[Remark]] = {}
        self._retrying: set[Key] = set()
        self._changed: asyncio.Queue[Key] = asyncio.Queue()
        self._connections = Connections()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve; returns without waiting for the API server."""
        self._task = asyncio.create_task(self._run(), name=COMPONENT)
        self._task.add_done_callback(_complain)

    async def stop(self) -> None:
        """Stop listening everywhere and reset every connection."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        for forwarders in self._forwarders.values():
            for forwarder in forwarders.values():
                forwarder.close()
        self._forwarders.clear()
        await self._connections.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(self._api.watch(SERVICES), self._note_service))
            tasks.create_task(self._follow(self._api.watch(ENDPOINT_SLICES), self._note_slice))
            while True:
                key = await self._changed.get()
                try:
                    remarks = await self._apply(key)
                except Exception:  # one service that cannot be understood must not end the others
                    logger.exception("service %s/%s cannot be served", *key)
                    continue
                for reason, message in remarks - self._told.get(key, frozenset()):
                    tasks.create_task(self._warn(key, reason, message))
                self._told[key] = remarks
                if key not in self._services:
                    del self._told[key]

    async def _follow(
        self, watch: AsyncIterator[WatchEvent], note: Callable[[WatchEvent], Key | None]
    ) -> None:
        async for event in watch:
            if event.type != "SYNCED" and (key := note(event)) is not None:
                self._changed.put_nowait(key)

    def _note_service(self, event: WatchEvent) -> Key:
        metadata = event.object["metadata"]
        key = metadata["namespace"], metadata["name"]
        if event.type == "DELETED":
            self._services.pop(key, None)
            # At once: a service that comes later may have been given the same address.
            for forwarder in self._forwarders.pop(key, {}).values():
                forwarder.close()
        else:
            self._services[key] = event.object
        return key

    def _note_slice(self, event: WatchEvent) -> Key | None:
        metadata = event.object["metadata"]
        service = metadata.get("labels", {}).get(SERVICE_LABEL)
        if service is None:
            return None
        key = metadata["namespace"], service
        slices = self._slices.setdefault(key, {})
        if event.type == "DELETED":
            slices.pop(metadata["name"], None)
            if not slices:
                del self._slices[key]
        else:
            slices[metadata["name"]] = event.object
        return key

    async def _apply(self, key: Key) -> frozenset[Remark]:
        """Bring the listeners of a service up to what is known of it; return what is wrong with it."""
        service = self._services.get(key)
        if service is None:
            return frozenset()
        ports = served_ports(service, self._network)
        forwarders = self._forwarders.setdefault(key, {})
        for gone in forwarders.keys() - set(ports):
            forwarders.pop(gone).close()
        slices = list(self._slices.get(key, {}).values())
        remarks = [
            ("Unsupported", text) for text in unsupported(service) + outside(ports, slices, self._network)
        ]
        for port in ports:
            if self._services.get(key) is not service:
                break  # it changed meanwhile, which is queued
            forwarder = forwarders.setdefault(port, Forwarder(port.address, self._connections))
            try:
                await forwarder.forward_to(chosen_endpoints(port.name, slices, self._network))
            except OSError as error:
                remarks.append(("PortUnavailable", _unavailable(port.address, error)))
                self._retry_later(key)
        return frozenset(remarks)

    def _retry_later(self, key: Key) -> None:
        def retry() -> None:
            self._retrying.discard(key)
            self._changed.put_nowait(key)

        if key not in self._retrying:
            self._retrying.add(key)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, retry)

    async def _warn(self, key: Key, reason: str, message: str) -> None:
        """Post a Warning event about a service, and log it in any case."""
        namespace, name = key
        logger.warning("service %s/%s: %s: %s", namespace, name, reason, message)
        service = self._services.get(key)
        if service is None:
            return
        try:
            await self._api.create(f"/api/v1/namespaces/{namespace}/events", _event(service, reason, message))
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            logger.warning("no event could be posted on service %s/%s: %s", namespace, name, error)


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("the service proxy ended: services are out of reach", exc_info=error)


def _unavailable(address: Address, error: OSError) -> str:
    host, port = address
    if error.errno == errno.EACCES:
        remedy = (
            "ports this low need privilege here: run as root, or allow it by "
            f"sysctl net.ipv4.ip_unprivileged_port_start={port}, or give the service a higher port"
        )
    elif error.errno == errno.EADDRINUSE:
        remedy = f"another program listens there: find it by ss -ltnp 'sport = :{port}' and stop it"
    else:
        remedy = "see that the address can be bound"
    return (
        f"cannot listen on {host}:{port}: {error.strerror}; {remedy}. Tried again every {RETRY_SECONDS:g} s."
    )


def _event(service: Object, reason: str, message: str) -> dict[str, Any]:
    metadata = service["metadata"]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{time.time_ns():x}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
