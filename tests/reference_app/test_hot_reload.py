"""Credentials change under load on real servers, and no request fails."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

import jwt
import psutil
import pytest

from tests.reference_app.mounts import cache_url, database_url
from tests.reference_app.process import Answer, ApplicationProcess, eventually
from tests.reference_app.servers import PostgreSQL, Valkey

pytestmark = pytest.mark.embedded

USERS = 20


def _password() -> str:
    return "/+%@:" + secrets.token_urlsafe(32)  # what base64 may hold, and more that a URL must not


@pytest.fixture
async def ready(
    application: ApplicationProcess, database: PostgreSQL, cache: Valkey
) -> AsyncIterator[ApplicationProcess]:
    """The application, ready, with everything mounted; its values are in `passwords`."""
    login, password = _password(), _password()
    database.set_password("mita_app", login)
    cache.acl("resetpass", f">{password}")
    _mount_database(application, database, "mita_app", login)
    _mount_cache(application, cache, password)
    application.mounts["auth"].write({"jwt-secret": secrets.token_urlsafe(32)})
    async with application:
        await application.ready()
        yield application


def _mount_database(application: ApplicationProcess, server: PostgreSQL, login: str, password: str) -> None:
    url = database_url(login, password, server.administrator.host, server.administrator.port)
    application.mounts["database"].write({"username": login, "password": password, "DATABASE_URL": url})


def _mount_cache(application: ApplicationProcess, server: Valkey, password: str) -> None:
    url = cache_url(password, server.administrator.host, server.administrator.port)
    application.mounts["cache"].write({"password": password, "REDIS_URL": url})


@contextlib.asynccontextmanager
async def load(application: ApplicationProcess, *, token: str | None = None) -> AsyncIterator[list[Answer]]:
    """Keep requests coming during the block; afterwards every one has to have been answered with 200."""
    answers: list[Answer] = []
    stop = asyncio.Event()

    async def user(number: int) -> None:
        while not stop.is_set():
            if number % 2:
                answers.append(await application.get("/health/ready"))
            else:
                answers.append(await application.post('{"test": true}', token=token))

    async with asyncio.TaskGroup() as group:
        for number in range(USERS):
            group.create_task(user(number))
        try:
            yield answers
        finally:
            stop.set()
    failed = [answer for answer in answers if answer.status != 200]
    assert not failed, f"{len(failed)} of {len(answers)} requests failed, first: {failed[0]}"
    assert len(answers) > USERS


async def rotate_database_under_load(
    application: ApplicationProcess, server: PostgreSQL, rounds: int = 3
) -> None:
    """Let the two logins take turns; each time the one before is cut off once nobody uses it."""
    async with load(application):
        for number in range(rounds):
            idle, current = ("mita_app_clone", "mita_app")[:: 1 if number % 2 == 0 else -1]
            password = _password()
            server.set_password(idle, password)
            _mount_database(application, server, idle, password)
            await application.uses("database", "password", password)

            async def drained(login: str = current) -> str | None:
                sessions = await asyncio.to_thread(server.sessions, login)
                return f"{sessions} sessions of {login}" if sessions else None

            await eventually(drained)
            server.execute(f"ALTER ROLE {current} NOLOGIN")


async def test_three_replicas_fit_beside_the_environment(ready: ApplicationProcess) -> None:
    assert psutil.Process(ready.process.pid).memory_info().rss <= 60 * 2**20


async def test_database_logins_take_turns(ready: ApplicationProcess, database: PostgreSQL) -> None:
    await rotate_database_under_load(ready, database)
    assert await ready.metric("mita_credential_generation", kind="database") == 4
    assert await ready.metric("mita_login_failures_total", kind="database") == 0


async def test_with_reload_disabled_the_same_rotation_is_noticed(
    application: ApplicationProcess, database: PostgreSQL, cache: Valkey
) -> None:
    """The planted defect: an application that never looks at its files again."""
    application.settings["MITA_POLL_SECONDS"] = "60"
    login, password = _password(), _password()
    database.set_password("mita_app", login)
    cache.acl("resetpass", f">{password}")
    _mount_database(application, database, "mita_app", login)
    _mount_cache(application, cache, password)
    application.mounts["auth"].write({"jwt-secret": secrets.token_urlsafe(32)})
    async with application:
        await application.ready()
        with pytest.RaisesGroup(
            pytest.RaisesExc(AssertionError, match="database/password is not in use"), flatten_subgroups=True
        ):
            await rotate_database_under_load(application, database, rounds=1)


async def test_cache_passwords_overlap(ready: ApplicationProcess, cache: Valkey) -> None:
    async with load(ready):
        before = None
        for _ in range(3):
            password = _password()
            cache.acl(f">{password}")
            _mount_cache(ready, cache, password)
            await ready.uses("cache", "password", password)
            if before is not None:
                cache.acl(f"<{before}")
            before = password
    assert await ready.metric("mita_credential_generation", kind="cache") == 4
    assert await ready.metric("mita_login_failures_total", kind="cache") == 0


async def test_sessions_survive_a_change_of_the_signing_key(ready: ApplicationProcess) -> None:
    old, new, newer = (secrets.token_urlsafe(32) for _ in range(3))
    ready.mounts["auth"].write({"jwt-secret": old})
    await ready.uses("auth", "jwt-secret", old)
    token = jwt.encode({"sub": "session"}, old, algorithm="HS256")
    async with load(ready, token=token) as answers:
        ready.mounts["auth"].write({"jwt-secret": new, "jwt-previous-secret": old})
        await ready.uses("auth", "jwt-secret", new)
        await ready.uses("auth", "jwt-previous-secret", old)

        async def previous_key_used() -> str | None:
            return None if any('"previous"' in answer.text for answer in answers) else "no answer names it"

        await eventually(previous_key_used)
    keys = {answer.json["key"] for answer in answers if "key" in answer.json}
    assert keys == {"current", "previous"}
    ready.mounts["auth"].write({"jwt-secret": newer, "jwt-previous-secret": new})
    await ready.uses("auth", "jwt-secret", newer)
    assert (await ready.post('{"test": true}', token=token)).status == 401


@pytest.mark.parametrize("kind", ["database", "cache"])
async def test_a_broken_credential_keeps_the_one_before(
    ready: ApplicationProcess, database: PostgreSQL, cache: Valkey, kind: str
) -> None:
    wrong = _password()

    async def refused() -> str | None:
        count = await ready.metric("mita_credential_reloads_total", kind=kind, result="refused")
        return None if count and count >= 2 else f"refused {count} times"

    async with load(ready):
        if kind == "database":
            _mount_database(ready, database, "mita_app", wrong)
        else:
            _mount_cache(ready, cache, wrong)
        await eventually(refused)
        assert await ready.metric("mita_credential_pending", kind=kind) == 1
        if kind == "database":
            database.set_password("mita_app_clone", wrong)
            _mount_database(ready, database, "mita_app_clone", wrong)
        else:
            cache.acl(f">{wrong}")
        await ready.uses(kind, "password", wrong)
    assert await ready.metric("mita_credential_pending", kind=kind) == 0
    failures = await ready.metric("mita_login_failures_total", kind=kind)
    assert failures is not None
    assert failures >= 2


@pytest.mark.parametrize("kind", ["database", "cache"])
async def test_a_refused_login_reads_the_files_again(
    application: ApplicationProcess, database: PostgreSQL, cache: Valkey, kind: str
) -> None:
    """Files are not followed here, so only the retry after the refusal can find the new password."""
    application.settings["MITA_POLL_SECONDS"] = "60"
    login, password, fresh = _password(), _password(), _password()
    database.set_password("mita_app", login)
    cache.acl("resetpass", f">{password}")
    _mount_database(application, database, "mita_app", login)
    _mount_cache(application, cache, password)
    application.mounts["auth"].write({"jwt-secret": secrets.token_urlsafe(32)})
    async with application:
        await application.ready()
        if kind == "database":
            database.set_password("mita_app", fresh)
            _mount_database(application, database, "mita_app", fresh)
            database.end_sessions("mita_app")
        else:
            cache.acl("resetpass", f">{fresh}")
            _mount_cache(application, cache, fresh)
            cache.end_sessions()
        await application.ready(seconds=3)
        assert await application.metric("mita_login_failures_total", kind=kind) == 1
        await application.uses(kind, "password", fresh, seconds=0.1)


async def test_a_server_that_comes_late_is_found(
    application: ApplicationProcess, database: PostgreSQL, cache: Valkey
) -> None:
    """The login is refused at first, as before the server is provisioned; nothing has to be restarted."""
    late, password = _password(), _password()
    cache.acl("resetpass", f">{password}")
    _mount_cache(application, cache, password)
    _mount_database(application, database, "mita_late", late)
    application.mounts["auth"].write({"jwt-secret": secrets.token_urlsafe(32)})
    async with application:
        assert (await application.get("/health")).status == 200

        async def only_database_missing() -> str | None:
            answer = await application.get("/health/ready")
            return None if answer.json["failing"] == ["database"] else answer.text

        await eventually(only_database_missing)
        database.execute("CREATE ROLE mita_late LOGIN PASSWORD {}", late)
        try:
            await application.ready()
        finally:
            await application.__aexit__()
            database.execute("DROP ROLE mita_late")
