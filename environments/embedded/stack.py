"""Everything that one embedded environment is made of, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from deployer.connections import ClusterIdentity, ServerLogin
from deployer.progress import Progress, Step
from environments.embedded.aws.localstack import AwsEndpoint, introduce_cluster, start_localstack
from environments.embedded.control_plane import ControlPlane
from environments.embedded.control_plane.configuration import CONTEXT
from environments.embedded.databases import start_postgresql, start_valkey
from environments.embedded.monitoring import start_alertmanager, start_prometheus
from environments.embedded.monitoring.prometheus import RULES
from environments.embedded.network import Network
from environments.embedded.node.api import Api
from environments.embedded.node.egress import EgressProxy
from environments.embedded.node.node import Node
from environments.embedded.node.registration import NAME as NODE_NAME
from environments.embedded.node.server import KubeletServer
from environments.embedded.node.services import ServiceProxy
from environments.embedded.site import Site
from environments.monitoring.configuration import IDENTITY, rights, rule_definition
from environments.monitoring.receivers import Receivers
from environments.monitoring.rule_bridge import RuleBridge

CLUSTER = "mita-production"

_KUBERNETES = "control plane"
_NODE = "node"
_AWS = "AWS (LocalStack)"
_DATABASE = "PostgreSQL"
_CACHE = "Valkey"
_MONITORING = "Prometheus and Alertmanager"
_POD_SECONDS = 1.0  # nobody is left to be served when everything ends


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Where Prometheus is, and whom Alertmanager tells.

    Attributes:
        prometheus: Base URL.
        receivers: Slack's and PagerDuty's stand-ins.
    """

    prometheus: str
    receivers: Receivers


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, once all of it is ready.

    Attributes:
        plane: The cluster.
        node: Its node.
        aws: AWS' stand-in.
        database: PostgreSQL and its superuser.
        cache: Valkey and its administrator.
        monitoring: Prometheus and what belongs to it.
    """

    plane: ControlPlane
    node: Node
    aws: AwsEndpoint
    database: ServerLogin
    cache: ServerLogin
    monitoring: Monitoring


class StackStarter:
    """Starts a stack on a site, and stops whatever of it runs.

    Args:
        site: Where.
        progress: Told of each part and the seconds that it took.
    """

    def __init__(self, site: Site, progress: Progress) -> None:
        self._site = site
        self._progress = progress
        self._running = contextlib.AsyncExitStack()

    async def start(self) -> Stack:
        """Start every part, those that do not need each other at the same time.

        Raises:
            MitaError: A part did not start; `stop` ends the others.
        """
        try:
            async with asyncio.TaskGroup() as parts:
                cluster = parts.create_task(self._cluster())
                aws = parts.create_task(self._timed(_AWS, start_localstack(self._site)))
                database = parts.create_task(self._timed(_DATABASE, start_postgresql(self._site)))
                cache = parts.create_task(self._timed(_CACHE, start_valkey(self._site)))
        except ExceptionGroup as group:
            # The first failure is the cause; the others were cancelled or fell with it.
            raise _first(group) from None
        plane, node, monitoring = cluster.result()
        # Only now: LocalStack starts beside the cluster, whose keys it asks for at the first token.
        introduce_cluster(self._site.run, _identity(plane))
        return Stack(plane, node, aws.result(), database.result(), cache.result(), monitoring)

    async def stop(self) -> None:
        """End every pod and every server, in the reverse order of their start."""
        await self._running.aclose()

    async def _cluster(self) -> tuple[ControlPlane, Node, Monitoring]:
        site = self._site
        egress = EgressProxy(site.network, site.run.root / "egress.sock")
        await egress.start()
        self._running.push_async_callback(egress.stop)
        self._running.push_async_callback(self._stop_servers)
        plane = await self._timed(_KUBERNETES, ControlPlane.start(site, egress.socket_path))
        async with asyncio.TaskGroup() as parts:
            node = parts.create_task(self._timed(_NODE, self._node(plane)))
            monitoring = parts.create_task(self._timed(_MONITORING, self._monitoring(plane)))
        return plane, node.result(), monitoring.result()

    async def _monitoring(self, plane: ControlPlane) -> Monitoring:
        site = self._site
        async with Api.from_kubeconfig(plane.admin_kubeconfig) as administrator:
            definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            await administrator.create(definitions, rule_definition())
            role, binding = rights()
            await administrator.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
            await administrator.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        receivers = Receivers(site.network.loopback(Network.RECEIVERS))
        await receivers.start()
        self._running.push_async_callback(receivers.stop)
        kubeconfig = plane.kubeconfig(IDENTITY)
        async with asyncio.TaskGroup() as parts:
            prometheus = parts.create_task(start_prometheus(site, kubeconfig))
            parts.create_task(start_alertmanager(site, receivers))
        api = Api.from_kubeconfig(kubeconfig)
        self._running.push_async_callback(api.close)
        rules = site.run.directory(*RULES.split("/"))
        bridge = RuleBridge(api, promtool=site.tools["promtool"], rules=rules, prometheus=prometheus.result())
        bridge.start()
        self._running.push_async_callback(bridge.stop)
        return Monitoring(prometheus.result(), receivers)

    async def _node(self, plane: ControlPlane) -> Node:
        network = self._site.network
        api = Api.from_kubeconfig(plane.kubeconfig("system:kube-proxy"))
        self._running.push_async_callback(api.close)
        services = ServiceProxy(api, network)
        await services.start()
        self._running.push_async_callback(services.stop)
        node = Node(self._site, plane)
        await node.start()
        self._running.push_async_callback(node.stop, grace=_POD_SECONDS)
        assert node.pods is not None  # noqa: S101  a started node has them
        address = network.loopback(Network.NODE)
        serving = plane.authority.issue(
            NODE_NAME,
            names=(NODE_NAME,),
            addresses=(address, network.recorded(Network.NODE)),
            usage="server",
        )
        server = KubeletServer(
            node.pods, address=address, serving=serving, client_authority=plane.kubelet_client_ca
        )
        await server.start()
        self._running.push_async_callback(server.stop)
        return node

    async def _stop_servers(self) -> None:
        """Stop the control plane in the reverse order of its start, and the other servers meanwhile."""
        supervisor = self._site.supervisor
        others = [name for name in supervisor.processes if name not in ControlPlane.SERVERS]
        await asyncio.gather(
            *(supervisor.stop(name) for name in others), self._stop_control_plane(), return_exceptions=True
        )
        await supervisor.stop_all()  # what would not end is tried once more, and told

    async def _stop_control_plane(self) -> None:
        supervisor = self._site.supervisor
        for name in ControlPlane.SERVERS:
            if name in supervisor.processes:
                await supervisor.stop(name)

    async def _timed[T](self, subject: str, work: Coroutine[Any, Any, T]) -> T:
        self._progress(Step(subject, "started"))
        began = time.monotonic()
        try:
            result = await work
        except Exception as error:
            self._progress(Step(subject, "failed", type(error).__name__))
            raise
        self._progress(Step(subject, "done", f"{time.monotonic() - began:.1f} s"))
        return result


def _identity(plane: ControlPlane) -> ClusterIdentity:
    authority = plane.authority.certificate.read_text()
    return ClusterIdentity(CLUSTER, CONTEXT, plane.oidc_issuer, authority)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    error: Exception = group
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
