"""The API client against a server that plays the API server's part."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from environments.embedded.node import api as api_module
from environments.embedded.node.api import Api, ApiError, PatchType, WatchEvent
from environments.embedded.node.credentials import Credentials

PODS = "/api/v1/pods"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Serve = Callable[[Handler], Awaitable[Api]]
type Listed = tuple[int, list[dict[str, Any]]]
type Streamed = list[tuple[str, dict[str, Any]]]


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "uid": uid or name, "resourceVersion": str(version)}}


def summary(event: WatchEvent) -> tuple[str, str, str]:
    metadata = event.object.get("metadata", {})
    return event.type, metadata.get("name", ""), metadata.get("resourceVersion", "")


class Script:
    """Answers each list and each watch request with the next prepared answer; then watches stay silent."""

    def __init__(
        self, lists: Sequence[Listed | web.Response], watches: Sequence[Streamed | web.Response]
    ) -> None:
        self.lists, self.watches = list(lists), list(watches)
        self.queries: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if "watch" not in request.query:
            return self.refuse_or(self.lists.pop(0))
        if not self.watches:
            await asyncio.sleep(30)
        answer = self.watches.pop(0)
        if isinstance(answer, web.Response):
            return answer
        response = web.StreamResponse()
        await response.prepare(request)
        for kind, item in answer:
            await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
        return response

    @staticmethod
    def refuse_or(answer: Listed | web.Response) -> web.Response:
        if isinstance(answer, web.Response):
            return answer
        version, items = answer
        return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": items})


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "FIRST_BACKOFF_SECONDS", 0.001)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    opened: list[TestServer | Api] = []

    async def start(handler: Handler) -> Api:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(application)
        await server.start_server()
        client = Api(
            Credentials(server=str(server.make_url("")).rstrip("/"), tls=ssl.create_default_context())
        )
        opened.extend([server, client])
        return client

    yield start
    for resource in reversed(opened):
        await resource.close()


async def seen(api: Api, count: int, selector: str = "") -> list[tuple[str, str, str]]:
    events = []
    async with asyncio.timeout(10):
        async for event in api.watch(PODS, fieldSelector=selector):
            events.append(summary(event))
            if len(events) == count:
                break
    return events


async def test_existing_objects_come_first_then_the_mark_then_changes(serve: Serve) -> None:
    script = Script([(7, [pod("a", 3)])], [[("ADDED", pod("b", 8)), ("DELETED", pod("a", 9))]])
    api = await serve(script.handle)
    assert await seen(api, 4, "spec.nodeName=x") == [
        ("ADDED", "a", "3"),
        ("SYNCED", "", ""),
        ("ADDED", "b", "8"),
        ("DELETED", "a", "9"),
    ]
    assert script.queries[1]["resourceVersion"] == "7"
    assert script.queries[1]["watch"] == "true"
    assert {query["fieldSelector"] for query in script.queries} == {"spec.nodeName=x"}


async def test_a_closed_stream_goes_on_from_the_last_bookmark(serve: Serve) -> None:
    script = Script([(7, [])], [[("BOOKMARK", pod("", 50))], [("ADDED", pod("b", 51))]])
    assert await seen(await serve(script.handle), 2) == [("SYNCED", "", ""), ("ADDED", "b", "51")]
    assert [query.get("resourceVersion") for query in script.queries] == [None, "7", "50"]


@pytest.mark.parametrize(
    "gone",
    [web.json_response({"reason": "Expired"}, status=410), [("ERROR", {"code": 410, "reason": "Expired"})]],
    ids=["status", "event"],
)
async def test_lost_history_yields_the_difference(serve: Serve, gone: Streamed | web.Response) -> None:
    before = [pod("same", 1), pod("changed", 2), pod("vanished", 3), pod("remade", 4, uid="old")]
    after = [pod("same", 1), pod("changed", 20), pod("remade", 21, uid="new"), pod("fresh", 22)]
    script = Script([(7, before), (30, after)], [gone])
    events = await seen(await serve(script.handle), 11)
    assert events[4] == ("SYNCED", "", "")
    assert sorted(events[5:-1]) == [
        ("ADDED", "fresh", "22"),
        ("ADDED", "remade", "21"),
        ("DELETED", "remade", "4"),
        ("DELETED", "vanished", "3"),
        ("MODIFIED", "changed", "20"),
    ]
    assert events.index(("DELETED", "remade", "4")) < events.index(("ADDED", "remade", "21"))
    assert events[-1] == ("SYNCED", "", "")


async def test_refusals_and_a_lost_server_are_retried_and_told(serve: Serve) -> None:
    refused = web.json_response({"reason": "Forbidden", "message": "not yet"}, status=403)
    script = Script([refused, (7, [pod("a", 1)])], [])
    told: list[Exception] = []
    async with asyncio.timeout(10):
        async for event in (await serve(script.handle)).watch(PODS, on_interruption=told.append):
            if event.type == "SYNCED":
                break
    assert [(error.status, error.reason) for error in told if isinstance(error, ApiError)] == [
        (403, "Forbidden")
    ]


async def test_an_object_larger_than_any_buffer_arrives_whole(serve: Serve) -> None:
    large = pod("large", 8)
    large["data"] = "x" * 1_500_000
    api = await serve(Script([(7, [])], [[("ADDED", large)]]).handle)
    async with asyncio.timeout(10):
        async for event in api.watch(PODS):
            if event.type == "ADDED":
                assert event.object == large
                break


async def test_a_refusal_carries_kubernetes_reason(serve: Serve) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "reason": "Conflict", "message": "changed"}, status=409)

    with pytest.raises(ApiError) as caught:
        await (await serve(refuse)).get("/api/v1/namespaces/n/pods/p")
    assert (caught.value.status, caught.value.reason, caught.value.message) == (409, "Conflict", "changed")


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("merge", "application/merge-patch+json"),
        ("strategic-merge", "application/strategic-merge-patch+json"),
    ],
)
async def test_a_patch_names_its_type_and_sends_its_query(serve: Serve, kind: PatchType, media: str) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(
            {"media": request.content_type, "query": dict(request.query), "body": await request.json()}
        )

    answer = await (await serve(echo)).patch("/x", {"a": 1}, content_type=kind, dryRun="All")
    assert answer == {"media": media, "query": {"dryRun": "All"}, "body": {"a": 1}}
