from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deployer.progress import silent
from environments.embedded import toolchain
from environments.embedded.control_plane import ControlPlane
from environments.embedded.network import Network
from environments.embedded.node.api import Api
from environments.embedded.processes import Supervisor
from environments.embedded.processes.sweep import stragglers
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Only what these tests start: a database of the machine's owner is none of their business.
PORTS = [(Network.API_SERVER, 6443), (Network.ETCD, 2379)]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MITA_STATE", str(directory))
        yield directory


@pytest.fixture(scope="module")
def run(state: Path) -> Iterator[RunDirectory]:
    assert state.is_dir()
    run = RunDirectory.claim("plane", numbers=range(64, 70), ports=PORTS)
    yield run
    run.release(remove=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(run: RunDirectory) -> AsyncIterator[Site]:
    supervisor = Supervisor(run)
    tools = toolchain.ensure(silent, PROGRAMS)
    yield Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
    await supervisor.stop_all()
    assert stragglers(run.run_id) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(site: Site) -> ControlPlane:
    return await ControlPlane.start(site, site.run.root / "egress.sock")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(plane: ControlPlane) -> AsyncIterator[Api]:
    async with Api.from_kubeconfig(plane.admin_kubeconfig) as api:
        yield api
