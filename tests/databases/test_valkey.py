"""Valkey lets in who is on its access list, and keeps the list but no data."""

from __future__ import annotations

import psutil
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError

from deployer.connections import ServerLogin
from environments.embedded.databases import start_valkey
from environments.embedded.site import Site
from tests.environments.ground import listeners, written

pytestmark = pytest.mark.embedded


def client(
    login: ServerLogin, username: str | None = None, password: str | None = None
) -> redis.asyncio.Redis:
    return redis.asyncio.Redis(
        host=login.host,
        port=login.port,
        username=username,
        password=password,
        decode_responses=True,
        retry=Retry(NoBackoff(), retries=0),
    )


def administrator(login: ServerLogin) -> redis.asyncio.Redis:
    return client(login, login.username, login.password.get_secret_value())


async def test_only_the_administrator_gets_in(site: Site) -> None:
    login = await start_valkey(site)

    async with administrator(login) as admitted:
        assert await admitted.acl_whoami() == login.username
    for username, password in ((None, None), (login.username, "wrong"), ("default", "")):
        async with client(login, username, password) as refused:
            with pytest.raises(AuthenticationError):
                await refused.ping()


async def test_a_saved_access_list_survives_a_restart_and_data_does_not(site: Site) -> None:
    login = await start_valkey(site)
    async with administrator(login) as connection:
        await connection.acl_setuser(
            "default", enabled=True, passwords=["+first"], keys=["*"], categories=["+@all"]
        )
        await connection.acl_save()
        await connection.set("kept", "no")

    await site.supervisor.restart("valkey")

    async with client(login, password="first") as connection:
        assert await connection.get("kept") is None
    async with client(login, password="second") as connection:
        with pytest.raises(AuthenticationError):
            await connection.ping()


async def test_it_listens_on_its_own_address_only(site: Site) -> None:
    login = await start_valkey(site)

    assert listeners(site.supervisor.processes["valkey"].pid) == {f"{login.host}:{login.port}"}


async def test_passwords_stay_out_of_arguments_logs_and_files(site: Site) -> None:
    login = await start_valkey(site)
    async with administrator(login) as connection:
        await connection.acl_setuser("default", enabled=True, passwords=["+planted-Pa55word"])
        await connection.acl_save()
        assert await connection.slowlog_get() == []

    password = login.password.get_secret_value()
    process = psutil.Process(site.supervisor.processes["valkey"].pid)
    assert password not in " ".join(process.cmdline())
    for path, content in written(site.run.root).items():
        assert password.encode() not in content, path
        assert b"planted-Pa55word" not in content, path
