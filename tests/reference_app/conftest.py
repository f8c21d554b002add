from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from environments.embedded.databases.postgresql import start_postgresql
from environments.embedded.databases.valkey import start_valkey
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site
from tests.reference_app.process import ApplicationProcess
from tests.reference_app.servers import PostgreSQL, Valkey

# Numbers that no other tests use, and what is listened on here.
NUMBERS = range(100, 105)
PORTS = (("0.4", 5432), ("0.5", 6379), ("64.1", 8000))


@pytest.fixture(scope="session")
def run() -> Iterator[RunDirectory]:
    # None of pytest's directories, which are closed to the account that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="mita-") as state:
        Path(state).chmod(0o711)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MITA_STATE", state)
            run = RunDirectory.claim("reference-app", numbers=NUMBERS, ports=PORTS)
        yield run
        run.release(remove=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(run: RunDirectory) -> AsyncIterator[Site]:
    supervisor = Supervisor(run)
    yield Site(run=run, network=run.network, supervisor=supervisor, tools={})
    await supervisor.stop_all()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database(site: Site) -> PostgreSQL:
    server = PostgreSQL(await start_postgresql(site))
    server.provision()
    return server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cache(site: Site) -> Valkey:
    server = Valkey(await start_valkey(site))
    server.provision()
    return server


@pytest.fixture
def application(run: RunDirectory, tmp_path: Path) -> ApplicationProcess:
    """The application, not started yet and with nothing mounted."""
    return ApplicationProcess(run.network.loopback("64.1"), tmp_path)
