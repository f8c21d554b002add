"""No credential leaves the process by its log, its metrics or its answers."""

from __future__ import annotations

import base64
import json
import secrets
from urllib.parse import quote

import jwt
import pytest

from tests.reference_app.mounts import cache_url, database_url
from tests.reference_app.process import ApplicationProcess, eventually
from tests.reference_app.servers import PostgreSQL, Valkey

pytestmark = pytest.mark.embedded


def spellings(value: str) -> set[str]:
    """Return the forms in which a value may be written: raw, base64, percent- and JSON-escaped."""
    return {value, base64.b64encode(value.encode()).decode(), quote(value, safe=""), json.dumps(value)[1:-1]}


def found(values: list[str], texts: list[str]) -> list[str]:
    """Return what was found of the values in the texts."""
    return [form for value in values for form in spellings(value) for text in texts if form in text]


@pytest.mark.parametrize("value", ['a/b+"c', "plain"])
def test_the_search_finds_every_spelling(value: str) -> None:
    for form in spellings(value):
        assert found([value], [f"before {form} after"])
    assert not found([value], ["nothing of it"])


async def test_no_value_is_shown(
    application: ApplicationProcess, database: PostgreSQL, cache: Valkey
) -> None:
    names = ("login", "cache", "current", "previous", "app", "openai", "smtp", "dsn")
    values = {name: f'/+"{secrets.token_urlsafe(32)}' for name in names}
    wrong = secrets.token_urlsafe(32)
    database.set_password("mita_app", values["login"])
    cache.acl("resetpass", f">{values['cache']}")
    mounts = application.mounts
    url = database_url("mita_app", values["login"], database.administrator.host, database.administrator.port)
    mounts["database"].write({"password": values["login"], "DATABASE_URL": url})
    mounts["cache"].write(
        {"REDIS_URL": cache_url(values["cache"], cache.administrator.host, cache.administrator.port)}
    )
    mounts["auth"].write({"jwt-secret": values["current"], "jwt-previous-secret": values["previous"]})
    mounts["app"].write({"secret-key": values["app"]})
    mounts["external"].write({"openai-api-key": values["openai"], "sentry-dsn": values["dsn"]})
    mounts["notifications"].write({"username": "apikey", "password": values["smtp"]})
    tokens = [jwt.encode({"sub": "x"}, key, algorithm="HS256") for key in (values["current"], "other" * 10)]
    async with application:
        await application.ready()
        await application.uses("notifications", "password", values["smtp"])
        for token in tokens:
            await application.post('{"test": true}', token=token)
        await application.post('{"test": true}')
        # A URL without escaping, which libraries quote in their errors, and one that the server refuses.
        server = f"{database.administrator.host}:{database.administrator.port}/mita"
        for broken in (
            f"postgresql://mita_app:{wrong}/x@{server}",
            f"postgresql://mita_app:{wrong}@{server}",
        ):
            mounts["database"].write({"DATABASE_URL": broken})
            await _refused(application, "database")
        server = f"{cache.administrator.host}:{cache.administrator.port}/0"
        for broken in (f"redis://:{wrong}/x@{server}", f"redis://:{wrong}@{server}"):
            mounts["cache"].write({"REDIS_URL": broken})
            await _refused(application, "cache")
        database.end_sessions("mita_app")
        cache.acl("resetpass")
        cache.end_sessions()

        async def both_fail() -> str | None:
            answer = await application.get("/health/ready")
            return None if answer.status == 503 and "cache" in answer.json["failing"] else answer.text

        await eventually(both_fail)
        await application.get("/metrics")
    texts = [application.log.read_text(), *application.transcript]
    assert "refused" in texts[0]
    assert not found([*values.values(), *tokens, wrong], texts)


async def _refused(application: ApplicationProcess, kind: str) -> None:
    before = await application.metric("mita_credential_reloads_total", kind=kind, result="refused") or 0

    async def once_more() -> str | None:
        count = await application.metric("mita_credential_reloads_total", kind=kind, result="refused") or 0
        return None if count > before else f"{kind} was not refused"

    await eventually(once_more)
