"""The interface of the running process, without any server behind it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest

from tests.reference_app.process import Answer, ApplicationProcess, eventually

CURRENT, PREVIOUS, OTHER = (secrets.token_urlsafe(32) for _ in range(3))


@pytest.fixture
async def running(application: ApplicationProcess) -> AsyncIterator[ApplicationProcess]:
    application.mounts["auth"].write({"jwt-secret": CURRENT, "jwt-previous-secret": PREVIOUS})
    application.settings |= {"MITA_VERSION": "1.2.3", "MITA_ENVIRONMENT": "test"}
    async with application:
        await application.uses("auth", "jwt-secret", CURRENT)
        yield application


def _token(key: str) -> str:
    return jwt.encode({"sub": "someone"}, key, algorithm="HS256")


async def test_health_tells_version_and_uptime(running: ApplicationProcess) -> None:
    answer = await running.get("/health")
    assert answer.status == 200
    uptime = answer.json.pop("uptime_seconds")
    assert 0 < uptime < 60
    assert answer.json["version"] == "1.2.3"
    assert answer.json["environment"] == "test"


async def test_without_servers_it_serves_and_names_what_is_missing(running: ApplicationProcess) -> None:
    answer = await running.get("/health/ready")
    assert answer.status == 503
    assert answer.json["failing"] == ["cache", "database"]
    assert answer.json["checks"]["auth"] == "ok"


async def test_without_keys_authentication_is_unavailable(application: ApplicationProcess) -> None:
    async with application:
        assert (await application.post('{"test": true}')).status == 503
        assert "auth" in (await application.get("/health/ready")).json["failing"]


@pytest.mark.parametrize(
    ("key", "name"), [(CURRENT, "current"), (PREVIOUS, "previous")], ids=["current", "previous"]
)
async def test_a_token_of_either_key_passes(running: ApplicationProcess, key: str, name: str) -> None:
    answer = await running.post('{"test": true}', token=_token(key))
    assert (answer.status, answer.json["key"], answer.json["issued_here"]) == (200, name, False)


async def test_without_a_token_it_tests_itself(running: ApplicationProcess) -> None:
    answer = await running.post('{"test": true}')
    assert (answer.status, answer.json) == (
        200,
        {"authenticated": True, "key": "current", "issued_here": True},
    )


@pytest.mark.parametrize(
    "authorization",
    [f"Bearer {_token(OTHER)}", "Bearer", "Bearer x", "Basic eDp5", ""],
    ids=["other key", "no token", "not a token", "other scheme", "empty"],
)
async def test_any_other_authorization_is_refused(running: ApplicationProcess, authorization: str) -> None:
    answer = await running.post('{"test": true}', authorization=authorization)
    assert answer.status == 401
    assert "token refused" in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("\x00", 400),
        ("[]", 422),
        ("{}", 422),
        ('{"test": false}', 422),
        ('{"test": 1}', 422),
    ],
)
async def test_a_malformed_body_is_the_callers_fault(
    running: ApplicationProcess, body: str, status: int
) -> None:
    assert (await running.post(body)).status == status


async def test_an_endless_body_is_refused(running: ApplicationProcess) -> None:
    assert (await running.post('{"test": ' + " " * 70_000 + "true}")).status == 413


async def test_unknown_paths_and_methods_are_counted_together(running: ApplicationProcess) -> None:
    assert (await running.get("/nothing/here")).status == 404
    assert (await running.get("/api/auth/test")).status == 405
    assert await running.metric("mita_http_requests_total", route="other", status="404") == 1
    assert await running.metric("mita_http_requests_total", route="/api/auth/test", status="405") == 1


async def test_requests_are_counted_and_timed(running: ApplicationProcess) -> None:
    before = await running.metric("mita_http_requests_total", route="/health", status="200")
    await running.get("/health")
    after = await running.metric("mita_http_requests_total", route="/health", status="200")
    assert before is not None
    assert after == before + 1
    assert await running.metric("mita_http_request_duration_seconds_count", route="/health") == after


async def test_the_log_is_json_lines(running: ApplicationProcess) -> None:
    applied = [event for event in running.events() if event["event"] == "credentials applied"]
    assert [event["kind"] for event in applied] == ["auth"]
    assert not [event for event in running.events() if event["logger"] == "uvicorn.access"]


async def test_it_drains_before_it_ends(application: ApplicationProcess) -> None:
    application.settings["MITA_DRAIN_SECONDS"] = "1"
    async with application:
        asked = time.monotonic()
        application.process.send_signal(signal.SIGTERM)

        async def turned_away() -> str | None:
            answer = await application.get("/health/ready")
            return None if answer.json["failing"] == ["draining"] else answer.text

        await eventually(turned_away, seconds=0.9)
        async with application.session.get("/health") as response:
            assert response.status == 200, "requests that still arrive are served"
            assert response.headers["connection"] == "close", "and the client is told to go elsewhere"
        assert await asyncio.wait_for(application.process.wait(), 10) == 0
        assert time.monotonic() - asked >= 1, "whoever routes requests had no time to take note"


async def test_a_request_in_flight_is_finished(application: ApplicationProcess) -> None:
    async with application:
        body_may_end = asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            yield b'{"test": '
            await body_may_end.wait()
            yield b"true}"

        async def request() -> Answer:
            async with application.session.post("/api/auth/test", data=slow_body()) as response:
                return Answer(response.status, await response.text())

        in_flight = asyncio.create_task(request())
        await asyncio.sleep(0.2)  # nothing tells from outside that the first half has arrived
        application.process.send_signal(signal.SIGTERM)

        async def closed() -> str | None:
            try:
                async with aiohttp.ClientSession() as other:
                    await other.get(f"http://{application.host}:{application.port}/health")
            except aiohttp.ClientConnectionError:
                return None
            return "it still accepts"

        await eventually(closed)
        body_may_end.set()
        assert (await in_flight).status == 503  # no keys are mounted; what counts is that it is answered
        assert await asyncio.wait_for(application.process.wait(), 10) == 0


async def test_a_second_signal_ends_the_draining(application: ApplicationProcess) -> None:
    application.settings["MITA_DRAIN_SECONDS"] = "60"
    async with application:
        started = time.monotonic()
        application.process.send_signal(signal.SIGTERM)

        async def turned_away() -> str | None:
            answer = await application.get("/health/ready")
            return None if answer.json["failing"] == ["draining"] else answer.text

        await eventually(turned_away)
        application.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(application.process.wait(), 10) == 0
        assert time.monotonic() - started < 10


async def test_an_address_in_use_ends_the_process(running: ApplicationProcess) -> None:
    environment = {"MITA_HOST": running.host, "MITA_PORT": str(running.port)}
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reference_app", env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode != 0
    assert f"'{running.host}', {running.port}): address already in use" in output.decode()
