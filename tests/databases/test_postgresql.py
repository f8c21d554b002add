"""PostgreSQL lets in who has the password, keeps it to itself and survives a restart."""

from __future__ import annotations

import os

import asyncpg
import psutil
import pytest
from pydantic import SecretStr

from deployer.connections import ServerLogin
from deployer.errors import ConfigurationError, NotReadyError
from environments.embedded.databases import start_postgresql
from environments.embedded.site import Site
from tests.environments.ground import listeners, written

pytestmark = pytest.mark.embedded


async def connect(login: ServerLogin, **changes: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(
        host=login.host,
        port=login.port,
        user=changes.get("user", login.username),
        password=changes.get("password", login.password.get_secret_value()),
        database=login.database,
        timeout=10,
        ssl=False,
    )


async def test_the_superuser_finds_an_empty_database(site: Site) -> None:
    login = await start_postgresql(site)

    connection = await connect(login)
    try:
        assert await connection.fetchval("SELECT current_database()") == "mita"
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        assert str(await connection.fetchval("SHOW server_version")).startswith("18.")
    finally:
        await connection.close()


async def test_nobody_gets_in_without_the_password(site: Site) -> None:
    login = await start_postgresql(site)

    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(login, password="not-the-password")
    assert not [line for line in _host_based_rules(site) if line.split()[-1] != "scram-sha-256"]


async def test_it_listens_on_its_own_address_only_and_never_as_root(site: Site) -> None:
    login = await start_postgresql(site)

    process = psutil.Process(site.supervisor.processes["postgresql"].pid)
    assert listeners(process.pid) == {f"{login.host}:{login.port}"}
    assert not [each for each in process.net_connections(kind="unix") if each.laddr]
    assert process.uids().real != 0


async def test_a_restart_keeps_roles_and_data(site: Site) -> None:
    login = await start_postgresql(site)
    connection = await connect(login)
    await connection.execute("CREATE ROLE mita_app LOGIN PASSWORD 'one'; CREATE TABLE kept AS SELECT 42 AS n")
    first = site.supervisor.processes["postgresql"].pid

    # The connection is still open: a restart does not wait for clients.
    await site.supervisor.restart("postgresql")

    assert site.supervisor.processes["postgresql"].pid != first
    connection = await connect(login)
    assert await connection.fetchval("SELECT n FROM kept") == 42
    await connection.close()
    connection = await connect(login, user="mita_app", password="one")
    await connection.close()


async def test_passwords_stay_out_of_arguments_logs_and_files(site: Site) -> None:
    login = await start_postgresql(site)
    connection = await connect(login)
    planted = "planted-Pa55word"
    with pytest.raises(asyncpg.UndefinedObjectError):
        await connection.execute(f"ALTER ROLE nobody_of_that_name PASSWORD '{planted}'")
    await connection.close()

    superuser = login.password.get_secret_value().encode()
    process = psutil.Process(site.supervisor.processes["postgresql"].pid)
    assert superuser.decode() not in " ".join(process.cmdline())
    logs = b"".join(written(site.run.logs).values())
    assert b"does not exist" in logs  # the statement's failure is told, the statement is not
    assert planted.encode() not in logs
    assert not [path for path, content in written(site.run.root).items() if superuser in content]


async def test_a_cluster_that_cannot_be_made_says_why(site: Site) -> None:
    site.run.write("postgresql/data/foreign", "in the way")
    if os.geteuid() == 0:
        os.chown(site.run.root / "postgresql" / "data", 65534, 65534)

    with pytest.raises(NotReadyError) as caught:
        await start_postgresql(site)

    assert caught.value.subject == "initdb"
    assert "exited with code 1" in caught.value.seen
    assert "not empty" in caught.value.seen
    assert not (site.run.root / "postgresql" / "password").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")
async def test_a_state_directory_closed_to_the_account_is_refused(site: Site) -> None:
    above = site.run.root.parent
    above.chmod(0o700)
    try:
        with pytest.raises(ConfigurationError) as caught:
            await start_postgresql(site)
    finally:
        above.chmod(0o755)

    assert caught.value.subject == str(above)
    assert "700" in caught.value.seen


def _host_based_rules(site: Site) -> list[str]:
    text = (site.run.root / "postgresql" / "data" / "pg_hba.conf").read_text()
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_a_login_does_not_show_its_password() -> None:
    assert "hidden" not in repr(ServerLogin("127.85.0.4", 5432, "postgres", SecretStr("hidden")))
