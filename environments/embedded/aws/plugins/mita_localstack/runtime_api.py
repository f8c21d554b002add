"""Lambda's Runtime API for one function's process, which asks it for work and answers to it."""

from __future__ import annotations

import http
import json
import queue
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import blockingCallFromThread
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from .function_reports import LONGEST_ANSWER

_NEXT = "/2018-06-01/runtime/invocation/next"
_INIT_ERROR = "/2018-06-01/runtime/init/error"
_ANSWER = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


@dataclass(frozen=True, slots=True)
class Idle:
    """The process asks for work."""


@dataclass(frozen=True, slots=True)
class NotInitialised:
    """The process could not load its function."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """The function has answered, or its handler has raised an error."""

    request: str
    payload: bytes
    is_error: bool


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended, with this code, negative for a signal."""

    code: int


type Event = Idle | NotInitialised | Answered | Exited


@dataclass(frozen=True, slots=True)
class Work:
    """An invocation as the process gets it.

    Attributes:
        request: Its id.
        payload: The event.
        headers: What else Lambda tells of it.
    """

    request: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class RuntimeApi(Resource):  # type: ignore[misc]  # Twisted has no type information here
    """A server on a port of its own, served by LocalStack's reactor.

    Args:
        host: Address to listen on.
        events: What happens is put there.
    """

    isLeaf = True  # noqa: N815  Twisted's name

    def __init__(self, host: str, events: queue.SimpleQueue[Event]) -> None:
        super().__init__()
        self._events = events
        self._lock = threading.Lock()
        self._waiting: Request | None = None
        site = Site(self)
        site.noisy = False
        self._port: Any = blockingCallFromThread(reactor, reactor.listenTCP, 0, site, interface=host)
        self.address = f"{host}:{self._port.getHost().port}"

    def give(self, work: Work) -> None:
        """Hand work to the process that asked for it; nothing happens if it has gone."""
        reactor.callFromThread(self._give, work)

    def close(self) -> None:
        """Stop listening."""
        reactor.callFromThread(self._port.stopListening)

    def _give(self, work: Work) -> None:
        request, self._waiting = self._waiting, None
        if request is None:
            return
        # Without a content type the native client dies of a segmentation fault.
        _respond(
            request, http.HTTPStatus.OK, work.payload, {"Content-Type": "application/json", **work.headers}
        )

    def render_GET(self, request: Request) -> int:  # noqa: N802  Twisted's name
        """Keep a process that asks for work waiting."""
        if request.path.decode("latin-1") != _NEXT:
            return _refuse(request, http.HTTPStatus.NOT_FOUND)
        # Headers and body go in two packets, and the second is not to wait for an acknowledgement.
        request.transport.setTcpNoDelay(True)
        self._waiting = request
        request.notifyFinish().addErrback(lambda _failure: self._forget(request))
        self._events.put(Idle())
        return int(NOT_DONE_YET)

    def _forget(self, request: Request) -> None:
        if self._waiting is request:
            self._waiting = None

    def render_POST(self, request: Request) -> int:  # noqa: N802  Twisted's name
        """Take an answer, or an error."""
        path, body = request.path.decode("latin-1"), request.content.read()
        if path == _INIT_ERROR:
            self._events.put(NotInitialised(body))
        elif answer := _ANSWER.fullmatch(path):
            self._events.put(Answered(answer[1], body, is_error=answer[2] == "error"))
            if len(body) > LONGEST_ANSWER:
                return _refuse(request, http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            return _refuse(request, http.HTTPStatus.NOT_FOUND)
        return _respond(request, http.HTTPStatus.ACCEPTED, json.dumps({"status": "OK"}).encode(), {})


def _refuse(request: Request, status: http.HTTPStatus) -> int:
    content = {"errorType": status.phrase.replace(" ", ""), "errorMessage": status.phrase}
    return _respond(request, status, json.dumps(content).encode(), {})


def _respond(request: Request, status: http.HTTPStatus, body: bytes, headers: Mapping[str, str]) -> int:
    request.setResponseCode(int(status))
    for name, value in {"Content-Type": "application/json", **headers}.items():
        request.setHeader(name, value)
    request.setHeader("Content-Length", str(len(body)))
    request.write(body)
    request.finish()
    return int(NOT_DONE_YET)
