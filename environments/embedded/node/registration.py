"""The node's own object and its lease: how the cluster knows that it lives."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from deployer.errors import NotReadyError
from environments.embedded.network import Network
from environments.embedded.node.api import Api, ApiError, Object
from environments.embedded.node.status import timestamp

logger = logging.getLogger(__name__)

NAME = "mita-node"
SERVER_PORT = 10250
ALLOCATABLE = {"cpu": "128", "memory": "256Gi", "ephemeral-storage": "512Gi", "pods": "120"}
_CAPACITY_NOTE = (
    "declared, not measured: the scheduler counts requests against it, and nothing holds pods to their limits"
)
# As the kubelet's leases and status reports.
LEASE_SECONDS = 40
_STATUS_SECONDS = 300
_REGISTRATION_SECONDS = 30.0
_RETRY_SECONDS = 0.2
_NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_NOT_FOUND, _CONFLICT = 404, 409


class Registration:
    """The node's object and lease.

    Args:
        api: The API server as the node.
        network: For the node's address.
        renewal: Seconds between two renewals of the lease.
    """

    def __init__(self, api: Api, network: Network, renewal: float) -> None:
        self._api = api
        self._network = network
        self._renewal = renewal
        self._ready_since = datetime.now(UTC)
        self._version = ""
        self._uid = ""
        self._lease: Object | None = None
        self._reported = 0.0

    async def register(self) -> None:
        """Create the node, report that it is ready, and take its lease.

        Raises:
            NotReadyError: The API server does not take it within 30 s.
        """
        deadline = time.monotonic() + _REGISTRATION_SECONDS
        while True:
            try:
                return await self._register()
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                # A server that just started may lack the namespace of leases or its own roles.
                if time.monotonic() > deadline:
                    raise NotReadyError(
                        f"node {NAME}",
                        expected=f"the API server to register it within {_REGISTRATION_SECONDS:g} s",
                        seen=str(error) or repr(error),
                        remedy="Read the API server's log.",
                    ) from error
                await asyncio.sleep(_RETRY_SECONDS)

    async def keep(self) -> None:
        """Renew the lease and report the status until cancelled; failures are retried at the next time."""
        while True:
            await asyncio.sleep(self._renewal)
            await self._attempt(self._renew)
            await self._attempt(self._report_if_due)

    async def _report_if_due(self) -> None:
        """Report now and then, and at once when the cluster took the node for gone, as the kubelet does."""
        if time.monotonic() - self._reported >= _STATUS_SECONDS or not _is_ready(
            await self._api.get(f"{_NODES}/{NAME}")
        ):
            await self._report()

    async def _attempt(self, action: Callable[[], Awaitable[None]]) -> None:
        try:
            try:
                await action()
            except ApiError as error:
                if error.status not in (_NOT_FOUND, _CONFLICT):
                    raise
                # Somebody deleted or changed it: begin anew.
                await self._register()
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            logger.info("node %s: %s", NAME, error)

    async def _register(self) -> None:
        self._version = (await self._api.get("/version"))["gitVersion"]
        try:
            node = await self._api.create(_NODES, _node())
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            node = await self._api.get(f"{_NODES}/{NAME}")
        self._uid = node["metadata"]["uid"]
        await self._report()
        await self._take_lease()

    async def _report(self) -> None:
        status = node_status(self._network, self._version, self._ready_since, datetime.now(UTC))
        await self._api.patch(f"{_NODES}/{NAME}/status", {"status": status}, content_type="strategic-merge")
        self._reported = time.monotonic()

    async def _take_lease(self) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": NAME, "uid": self._uid}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": NAME, "namespace": "kube-node-lease", "ownerReferences": [owner]},
            "spec": {
                "holderIdentity": NAME,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": micro_timestamp(datetime.now(UTC)),
            },
        }
        try:
            self._lease = await self._api.create(_LEASES, lease)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            self._lease = await self._api.get(f"{_LEASES}/{NAME}")
            await self._renew()

    async def _renew(self) -> None:
        assert self._lease is not None  # noqa: S101  for the type checker; `register` comes first
        spec = {**self._lease["spec"], "renewTime": micro_timestamp(datetime.now(UTC))}
        self._lease = await self._api.replace(f"{_LEASES}/{NAME}", {**self._lease, "spec": spec})


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def micro_timestamp(moment: datetime) -> str:
    """Write a moment to the microsecond, as MicroTime fields must be, also when it is a whole second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def node_status(network: Network, version: str, ready_since: datetime, now: datetime) -> Object:
    """Return the node's status.

    Args:
        network: For its address.
        version: The Kubernetes version that it stands for.
        ready_since: When it became ready.
        now: The time of this report.
    """

    def condition(kind: str, *, holds: bool, reason: str, message: str) -> Object:
        return {
            "type": kind,
            "status": "True" if holds else "False",
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": timestamp(now),
            "lastTransitionTime": timestamp(ready_since),
        }

    pressure = {"Memory": "memory available", "Disk": "disk pressure", "PID": "PID available"}
    return {
        "capacity": ALLOCATABLE,
        "allocatable": ALLOCATABLE,
        "conditions": [
            *(
                condition(
                    f"{kind}Pressure", holds=False, reason="NotMeasured", message=f"{what}: not measured"
                )
                for kind, what in pressure.items()
            ),
            condition(
                "Ready", holds=True, reason="KubeletReady", message="process node is posting ready status"
            ),
        ],
        "addresses": [
            {"type": "InternalIP", "address": network.recorded(Network.NODE)},
            {"type": "Hostname", "address": NAME},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": SERVER_PORT}},
        # With it the API server hands exec's WebSocket through instead of translating it to SPDY.
        "declaredFeatures": ["ExtendWebSocketsToKubelet"],
        "nodeInfo": _node_info(version),
    }


def _node_info(version: str) -> dict[str, Any]:
    machine = platform.machine()
    return {
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
        "kernelVersion": os.uname().release,
        "osImage": "processes of this machine",
        "containerRuntimeVersion": "process://1",
        "kubeletVersion": version,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
    }


def _node() -> Object:
    architecture = _node_info("")["architecture"]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NAME,
            "labels": {
                "kubernetes.io/hostname": NAME,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture,
                "mita.finance/node": "processes",
            },
            "annotations": {"mita.finance/capacity": _CAPACITY_NOTE},
        },
        "spec": {},
    }
