"""Commands, requests and connections of probes and hooks."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from environments.embedded.node.handlers import Handler, Launch
from tests.node.cluster import eventually

type MakeHandler = Callable[..., Handler]


@pytest.fixture
async def server() -> AsyncIterator[BaseTestServer]:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("X-Wanted") == "no":
            return web.Response(status=418)
        return web.Response(status=int(request.match_info["status"]), headers={"Location": "/500"})

    application = web.Application()
    application.router.add_get("/{status}", answer)
    async with TestServer(application) as server:
        yield server


@pytest.fixture
async def handler(tmp_path: Path, server: BaseTestServer) -> AsyncIterator[MakeHandler]:
    async with aiohttp.ClientSession() as http:

        def make(**action: Any) -> Handler:  # noqa: ANN401  JSON
            launch = Launch(
                argv=("true",),
                environment={"PATH": os.environ["PATH"], "GREETING": "hello"},
                directory=tmp_path,
                rewrite=lambda text: text.replace("/mounted", str(tmp_path)),
                address="127.0.0.1",
                ports={"http": server.port or 0},
            )
            return Handler(action, launch, tmp_path / "output.log", http)

        yield make


async def test_a_command_succeeds_in_the_containers_environment(handler: MakeHandler, tmp_path: Path) -> None:
    run = handler(exec={"command": ["sh", "-c", 'test "$GREETING" = hello && pwd > /mounted/where']})
    assert await run(5) is None
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


async def test_a_failed_commands_output_is_the_reason(handler: MakeHandler) -> None:
    assert await handler(exec={"command": ["sh", "-c", "echo broken >&2; exit 3"]})(5) == "broken\n"
    assert await handler(exec={"command": ["sh", "-c", "exit 3"]})(5) == "exit code 3"
    assert (
        await handler(exec={"command": ["no-such-program"]})(5)
        == "cannot run no-such-program: MissingToolError"
    )


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(
    handler: MakeHandler, tmp_path: Path
) -> None:
    script = "sleep 300 & echo $! > /mounted/child; wait"
    before = time.monotonic()
    assert await handler(exec={"command": ["sh", "-c", script]})(0.5) == "timed out after 0.5s"
    assert time.monotonic() - before < 5
    child = int((tmp_path / "child").read_text())
    # It was killed with the command's group, and nobody here waits for it.
    await eventually(lambda: _has_ended(child), 10)


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"port": "http", "path": "/200"}, None),
        ({"port": "http", "path": "399", "host": "localhost"}, None),
        ({"port": "http", "path": "/302"}, None),
        ({"port": "http", "path": "/400"}, "HTTP probe failed with statuscode: 400"),
        ({"port": "http", "path": "/503"}, "HTTP probe failed with statuscode: 503"),
        (
            {"port": "http", "path": "/200", "httpHeaders": [{"name": "X-Wanted", "value": "no"}]},
            "HTTP probe failed with statuscode: 418",
        ),
        ({"port": "none"}, "couldn't find port: none"),
    ],
)
async def test_requests(handler: MakeHandler, request_: dict[str, Any], problem: str | None) -> None:
    assert await handler(httpGet=request_)(5) == problem


async def test_nobody_listening(handler: MakeHandler, unused_tcp_port: int) -> None:
    refused = await handler(httpGet={"port": unused_tcp_port})(5)
    assert refused is not None
    assert refused.startswith(f'Get "http://127.0.0.1:{unused_tcp_port}/":')
    refused = await handler(tcpSocket={"port": unused_tcp_port})(5)
    assert refused is not None
    assert refused.startswith(f"dial tcp 127.0.0.1:{unused_tcp_port}:")


async def test_connections_by_name_and_number(handler: MakeHandler, server: BaseTestServer) -> None:
    assert await handler(tcpSocket={"port": "http"})(5) is None
    assert await handler(tcpSocket={"port": server.port})(5) is None
    assert await handler(tcpSocket={"port": str(server.port)})(5) is None


async def test_a_pause(handler: MakeHandler) -> None:
    assert await handler(sleep={"seconds": 0.01})(5) is None
    assert await handler(sleep={"seconds": 60})(0.05) == "timed out after 0.05s"
