"""A small asynchronous client of the Kubernetes API for raw JSON objects.

The node, the service proxy and their tests need a handful of verbs and a watch that
survives the API server; objects stay the dictionaries that the API speaks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp

from environments.embedded.node.credentials import Credentials, load_kubeconfig

logger = logging.getLogger(__name__)

type Object = dict[str, Any]
type Body = Object | list[Object]
type EventType = Literal["ADDED", "MODIFIED", "DELETED", "SYNCED"]
type PatchType = Literal["merge", "strategic-merge", "json", "apply"]

REQUEST_SECONDS = 30.0
WATCH_SECONDS = 300
FIRST_BACKOFF_SECONDS = 0.1
LAST_BACKOFF_SECONDS = 5.0

_PATCH_TYPES: dict[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic-merge": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_GONE = 410


class ApiError(Exception):
    """The API server answered a request with a failure.

    Attributes:
        status: HTTP status.
        reason: Kubernetes' reason, for example ``NotFound`` or ``Conflict``; may be empty.
        message: What the server said for people to read.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One thing that a watch saw.

    Attributes:
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``; ``SYNCED`` after each complete list.
        object: The object in the state that the event brought; empty for ``SYNCED``.
            For a deletion that happened while the watch was interrupted it is the last
            state that this watch had seen.
    """

    type: EventType
    object: Object


class Api:
    """The API server as one identity sees it.

    Args:
        credentials: Address, authority and client certificate.

    Paths are those of the REST API (``/api/v1/namespaces/default/pods``); keyword
    arguments become query parameters (``fieldSelector="metadata.name=x"``).  Every
    method raises `ApiError` when the server refuses, and `aiohttp.ClientError` or
    `TimeoutError` when it cannot be reached.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.url = credentials.server
        connector = aiohttp.TCPConnector(limit=0, ssl=credentials.tls, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Accept": "application/json", "User-Agent": "mita-node"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=5),
        )

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """Make a client from a kubeconfig's current context; needs a running event loop.

        Raises:
            ConfigurationError: The file does not lead to a server with a client certificate.
        """
        return cls(load_kubeconfig(path))

    async def close(self) -> None:
        """Close every connection, watches included."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, path: str, **query: str | int | bool) -> Object:
        """Read one object."""
        return await self._request("GET", path, query=query)

    async def list(self, path: str, **query: str | int | bool) -> Object:
        """Read a collection; its objects are under ``items``, without kind and apiVersion of their own."""
        return await self._request("GET", path, query=query)

    async def create(self, path: str, body: Object, **query: str | int | bool) -> Object:
        """Post an object to a collection, or to a subresource such as ``.../token``."""
        return await self._request("POST", path, body=body, query=query)

    async def replace(self, path: str, body: Object, **query: str | int | bool) -> Object:
        """Replace an object; the resourceVersion in the body, where given, must still be current."""
        return await self._request("PUT", path, body=body, query=query)

    async def patch(
        self,
        path: str,
        body: Body,
        *,
        content_type: PatchType,
        **query: str | int | bool,
    ) -> Object:
        """Patch an object; for ``apply`` the query needs ``fieldManager``."""
        return await self._request("PATCH", path, body=body, query=query, media=_PATCH_TYPES[content_type])

    async def delete(self, path: str, body: Object | None = None, **query: str | int | bool) -> Object:
        """Delete an object; the body, where given, is a DeleteOptions."""
        return await self._request("DELETE", path, body=body, query=query)

    async def watch(
        self,
        path: str,
        *,
        on_interruption: Callable[[Exception], None] | None = None,
        **query: str | int | bool,
    ) -> AsyncIterator[WatchEvent]:
        """Follow a collection for ever: list it, then yield its changes.

        The existing objects come as ``ADDED``, then one ``SYNCED``.  When the server
        closes the stream or is away the watch goes on from where it was, with a back-off
        of 0.1 to 5 s; when its history is gone (410) it lists again and yields the
        difference to what it had yielded, then ``SYNCED`` once more.  Refusals
        are retried too: a server that just started refuses what it will soon allow.

        Args:
            path: The collection.
            on_interruption: Told of each failed attempt before the back-off.
            **query: Selectors.
        """
        known: dict[tuple[str, str], Object] = {}
        version = ""
        backoff = FIRST_BACKOFF_SECONDS
        while True:
            try:
                if not version:
                    listed = await self.list(path, **query)
                    for event in _difference(known, listed):
                        yield event
                    version = listed["metadata"]["resourceVersion"]
                    yield WatchEvent("SYNCED", {})
                async for kind, item in self._stream(path, version, query):
                    version = item["metadata"]["resourceVersion"]
                    backoff = FIRST_BACKOFF_SECONDS
                    if kind != "BOOKMARK":
                        yield _noted(known, kind, item)
                await asyncio.sleep(FIRST_BACKOFF_SECONDS)
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                if isinstance(error, ApiError) and error.status == _GONE:
                    version = ""
                logger.debug("watch of %s interrupted: %s", path, error)
                if on_interruption is not None:
                    on_interruption(error)
                await asyncio.sleep(backoff * random.uniform(0.75, 1.25))  # noqa: S311  spreads load, guards nothing
                backoff = min(backoff * 2, LAST_BACKOFF_SECONDS)

    async def _stream(
        self, path: str, version: str, query: dict[str, str | int | bool]
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield type and object of each event of one watch request, until the server ends it."""
        seconds = round(WATCH_SECONDS * random.uniform(1, 2))  # noqa: S311  spreads load, guards nothing
        following = {"watch": True, "allowWatchBookmarks": True, "timeoutSeconds": seconds}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=seconds + 30)
        parameters = _parameters({**query, **following, "resourceVersion": version})
        async with self._session.get(self.url + path, params=parameters, timeout=timeout) as response:
            if not response.ok:
                raise _failure(response.status, await response.read())
            # Split here: the stream's own readline refuses lines longer than its buffer.
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _failure(event["object"].get("code", 500), json.dumps(event["object"]).encode())
                    yield event["type"], event["object"]

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str | int | bool],
        body: Body | None = None,
        media: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": media}
        async with self._session.request(
            method, self.url + path, params=_parameters(query), data=data, headers=headers
        ) as response:
            content = await response.read()
            if not response.ok:
                raise _failure(response.status, content)
            answer: Object = json.loads(content)
            return answer


def _parameters(query: dict[str, str | int | bool]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()
    }


def _failure(status: int, content: bytes) -> ApiError:
    try:
        told = json.loads(content)
        return ApiError(status, told.get("reason", ""), told.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, "", content[:500].decode(errors="replace").strip())


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _noted(known: dict[tuple[str, str], Object], kind: str, item: Object) -> WatchEvent:
    if kind == "DELETED":
        known.pop(_key(item), None)
        return WatchEvent("DELETED", item)
    known[_key(item)] = item
    return WatchEvent("ADDED" if kind == "ADDED" else "MODIFIED", item)


def _difference(known: dict[tuple[str, str], Object], listed: Object) -> list[WatchEvent]:
    """Bring what a watch knows up to a fresh list, and say what changed.

    An object that was deleted and made again under its name is a deletion and an addition.
    """
    events: list[WatchEvent] = []
    fresh = {_key(item): item for item in listed.get("items") or []}
    for key, old in list(known.items()):
        if key not in fresh or fresh[key]["metadata"]["uid"] != old["metadata"]["uid"]:
            events.append(WatchEvent("DELETED", known.pop(key)))
    for key, item in fresh.items():
        previous = known.get(key)
        known[key] = item
        if previous is None:
            events.append(WatchEvent("ADDED", item))
        elif previous["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            events.append(WatchEvent("MODIFIED", item))
    return events
