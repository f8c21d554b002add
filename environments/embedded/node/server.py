"""The kubelet's own API as far as `kubectl logs` and `kubectl exec` need it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from deployer.errors import NotReadyError
from environments.embedded.control_plane.authority import KeyPair
from environments.embedded.node.container_logs import LogQuery, read_log
from environments.embedded.node.streaming import PROTOCOLS, ExecRequest, serve_exec

PORT = 10250
CLIENT = "kube-apiserver-kubelet-client"
"""The common name that the API server shows to nodes."""

_SHUTDOWN_SECONDS = 1.0

type Where = tuple[str, str, str]
"""Namespace, pod and container."""


@dataclass(frozen=True, slots=True)
class ExecTarget:
    """Where and as what a command runs that is executed in a container.

    Attributes:
        environment: The complete environment of the command; nothing is inherited.
        directory: Its working directory.
        rewrite: Turns the container's paths and addresses in one argument into the host's.
    """

    environment: Mapping[str, str]
    directory: Path
    rewrite: Callable[[str], str]


class PodSource(Protocol):
    """What the server asks about the pods of its node.

    Every method answers at once, from memory.  The text of a `LookupError` is what
    kubectl shows, so it is the kubelet's: ``pod "p" does not exist``,
    ``container "c" not found in pod "p"``.
    """

    def log_file(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> Path:
        """Name the file that holds the raw output of a container's current, or last ended, instance.

        Each instance has a file of its own.  The file of a container that did not start
        yet need not exist.

        Raises:
            LookupError: There is no such pod, container or previous instance.
        """

    def is_running(self, namespace: str, pod: str, container: str) -> bool:
        """Tell whether the container's current instance runs, so that its log may still grow.

        Raises:
            LookupError: There is no such pod or container (any more).
        """

    def exec_target(self, namespace: str, pod: str, container: str) -> ExecTarget:
        """Say how a command is run in a running container.

        Raises:
            LookupError: There is no such pod or container, or it does not run.
        """

    def pods(self) -> Sequence[Mapping[str, Any]]:
        """Return the API objects of the node's pods."""


class KubeletServer:
    """Serves the API server, and nobody else, the logs of pods and commands in them.

    Args:
        source: The pods.
        address: Where it listens.
        serving: Its certificate, for the address that the API has on record for the node.
        client_authority: PEM of the authority whose client certificates it accepts.
        port: Where it listens.
    """

    def __init__(
        self, source: PodSource, *, address: str, serving: KeyPair, client_authority: Path, port: int = PORT
    ) -> None:
        self._source = source
        self._address = address
        self._port = port
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_authority))
        self._tls.verify_mode = ssl.CERT_REQUIRED
        self._tls.load_cert_chain(serving.certificate, serving.key)
        self._sessions: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            NotReadyError: The address is taken.
        """
        application = web.Application(middlewares=[_authorise])
        application.add_routes(
            [
                web.get("/healthz", _healthy),
                web.get("/pods", self._pods),
                web.get("/containerLogs/{namespace}/{pod}/{container}", self._logs),
                # The API server passes on the client's method.
                web.get("/exec/{namespace}/{pod}/{container}", self._exec),
                web.post("/exec/{namespace}/{pod}/{container}", self._exec),
                web.route("*", "/{verb:attach|portForward|run}/{rest:.*}", _not_served),
            ]
        )
        # No access log: the query of an exec is its command, which may hold a secret.
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._address, self._port, ssl_context=self._tls).start()
        except OSError as error:
            await self.stop()
            raise NotReadyError(
                "the node's server",
                expected=f"to listen on {self._address}:{self._port}",
                seen=error.strerror or repr(error),
                remedy=f"Find the program that has the port (ss -ltnp 'sport = :{self._port}') and stop it.",
            ) from error

    async def stop(self) -> None:
        """End every session and stop listening."""
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _pods(self, _: web.Request) -> web.Response:
        items = list(self._source.pods())
        return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        try:
            query = LogQuery.parse(request.query)
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        where = _container(request)
        path = self._answered(where, lambda: self._source.log_file(*where, previous=query.previous))

        def may_grow() -> bool:
            try:
                return self._source.is_running(*where) and self._source.log_file(*where) == path
            except LookupError:
                return False

        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for piece in read_log(path, query, may_grow):
                await response.write(piece)
            await response.write_eof()
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        where = _container(request)
        target = self._answered(where, lambda: self._source.exec_target(*where))
        command = request.query.getall("command", [])
        if not command:
            raise web.HTTPBadRequest(text="you must specify at least 1 command for the container\n")
        socket = web.WebSocketResponse(protocols=PROTOCOLS, compress=False)
        asked = socket.can_prepare(request)
        if not asked.ok or asked.protocol is None:
            raise web.HTTPBadRequest(
                text=f"exec is served over WebSocket with one of the protocols {', '.join(PROTOCOLS)}\n"
            )
        await socket.prepare(request)
        command_run = ExecRequest(
            argv=[target.rewrite(argument) for argument in command],
            environment=target.environment,
            directory=target.directory,
            tty=_asks(request, "tty"),
            stdin=_asks(request, "input"),
            stdout=_asks(request, "output"),
            stderr=_asks(request, "error"),
        )
        await self._held(serve_exec(socket, command_run, lambda: self._still(where, target)))
        return socket

    def _still(self, where: Where, target: ExecTarget) -> bool:
        """Tell whether the instance that a command was started in still runs."""
        try:
            return self._source.exec_target(*where).directory == target.directory
        except LookupError:
            return False

    async def _held(self, session: Coroutine[None, None, None]) -> None:
        """Run a session that `stop` ends, and that ends its command whatever happens to the request."""
        task = asyncio.create_task(session)
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise

    def _answered[T](self, where: Where, ask: Callable[[], T]) -> T:
        """Ask the pods, and turn an error into the kubelet's answer."""
        try:
            return ask()
        except LookupError as error:
            text = f"{error.args[0]}\n"
            try:
                self._source.is_running(*where)
            except LookupError:
                raise web.HTTPNotFound(text=text) from error
            # The container is there: it is the request that cannot be served now.
            raise web.HTTPBadRequest(text=text) from error


def _container(request: web.Request) -> Where:
    names = request.match_info
    return names["namespace"], names["pod"], names["container"]


def _asks(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in {"1", "true"}


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _not_served(request: web.Request) -> web.Response:
    verb = request.match_info["verb"]
    raise web.HTTPNotImplemented(
        text=f"this node does not serve {verb}: its pods are processes of this machine; connect to the pod's "
        "own address (127 in place of 10), read its log, or run a command in it\n"
    )


@web.middleware
async def _authorise(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    certificate = request.get_extra_info("peercert") or {}
    subject = dict(entry for part in certificate.get("subject", ()) for entry in part)
    if subject.get("commonName") != CLIENT:
        user = subject.get("commonName", "unknown")
        raise web.HTTPForbidden(text=f"Forbidden (user={user}, resource=nodes, subresource=proxy)\n")
    return await handler(request)
