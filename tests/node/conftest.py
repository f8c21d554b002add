"""A cluster whose only node is a process node, on the host's event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from deployer.progress import silent
from environments.embedded import toolchain
from environments.embedded.control_plane import ControlPlane
from environments.embedded.network import Network
from environments.embedded.node.api import Api
from environments.embedded.node.egress import EgressProxy
from environments.embedded.node.node import Node
from environments.embedded.node.server import KubeletServer
from environments.embedded.node.services import ServiceProxy
from environments.embedded.node.timing import Timing
from environments.embedded.processes import Supervisor
from environments.embedded.processes.sweep import stragglers
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site
from tests.node.cluster import Cluster, Namespace

PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "external-secrets",
)
PORTS = [(Network.API_SERVER, 6443), (Network.ETCD, 2379), (Network.NODE, 10250)]
# Short enough to watch delays double and a token of ten minutes being renewed.
TIMING = Timing(backoff_base=0.5, backoff_longest=4, token_refresh=0.005, lease_renewal=1)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunDirectory]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITA_STATE", str(tmp_path_factory.mktemp("state")))
        run = RunDirectory.claim("node", numbers=range(70, 80), ports=PORTS)
        yield run
        run.release(remove=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(run: RunDirectory) -> AsyncIterator[Site]:
    supervisor = Supervisor(run)
    tools = toolchain.ensure(silent, PROGRAMS)
    yield Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
    await supervisor.stop_all()
    assert stragglers(run.run_id) == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(site: Site) -> AsyncIterator[Cluster]:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with contextlib.AsyncExitStack() as running:
        egress = EgressProxy(site.network, site.run.root / "egress.sock")
        await egress.start()
        running.push_async_callback(egress.stop)
        plane = await ControlPlane.start(site, egress.socket_path)
        running.push_async_callback(plane.stop)
        proxy_user = plane.kubeconfig("system:kube-proxy")
        services = ServiceProxy(
            await running.enter_async_context(Api.from_kubeconfig(proxy_user)), site.network
        )
        await services.start()
        running.push_async_callback(services.stop)
        node = Node(site, plane, timing=TIMING)
        await node.start()
        running.push_async_callback(node.stop)
        server = _server(site.network, plane, node)
        await server.start()
        running.push_async_callback(server.stop)
        api = await running.enter_async_context(Api.from_kubeconfig(plane.admin_kubeconfig))
        yield Cluster(site=site, plane=plane, node=node, api=api)
    assert unhandled == []


def _server(network: Network, plane: ControlPlane, node: Node) -> KubeletServer:
    assert node.pods is not None
    address = network.loopback(Network.NODE)
    addresses = (address, network.recorded(Network.NODE))
    serving = plane.authority.issue("mita-node", addresses=addresses, usage="server")
    return KubeletServer(
        node.pods, address=address, serving=serving, client_authority=plane.kubelet_client_ca
    )


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Namespace]:
    namespace = await cluster.namespace(request.node.name)
    yield namespace
    await namespace.delete_pods()
