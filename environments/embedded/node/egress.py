"""The way from the API server to nodes and webhooks.

The API server records addresses of 10.n.0.0/16 and cannot reach them.  Its egress
selector hands such connections to this proxy, which speaks HTTP's CONNECT on a Unix
socket and connects to the same host part of 127.n.0.0/16.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
from http import HTTPStatus
from pathlib import Path

from deployer.errors import ConfigurationError
from environments.embedded.network import Network
from environments.embedded.node.splice import AcceptedSide, Connections

logger = logging.getLogger(__name__)

HEAD_SECONDS = 10.0
HEAD_BYTES = 8192
_BACKLOG = 256
_PATH_BYTES = 107  # sun_path of sockaddr_un, less its terminator
_REQUEST_WORDS = 3


class _RefusedTunnelError(Exception):
    """A request for a tunnel that is answered with a status and a reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class EgressProxy:
    """CONNECT proxy into one environment's network, and to nowhere else.

    Args:
        network: The network whose addresses it connects to.
        socket_path: Where it listens; the file is readable and writable by the owner only.
    """

    def __init__(self, network: Network, socket_path: Path) -> None:
        self.network = network
        self.socket_path = socket_path
        self._connections = Connections()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket file left by an earlier run is replaced.

        Raises:
            ConfigurationError: The path is too long for a Unix socket.
        """
        if len(os.fsencode(self.socket_path)) > _PATH_BYTES:
            raise ConfigurationError(
                f"the egress proxy's socket {self.socket_path}",
                expected=f"a path of at most {_PATH_BYTES} bytes, the limit of Unix sockets",
                seen=f"{len(os.fsencode(self.socket_path))} bytes",
                remedy="Set MITA_STATE to a directory with a shorter path.",
            )
        self.socket_path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Nobody can connect before it listens, so the mode holds from the first moment.
            listener.bind(os.fspath(self.socket_path))
            self.socket_path.chmod(0o600)
            self._server = await asyncio.get_running_loop().create_unix_server(
                lambda: _Tunnel(self._connections, self.network), sock=listener, backlog=_BACKLOG
            )
        except BaseException:
            listener.close()
            raise

    async def stop(self) -> None:
        """Stop listening, reset every tunnel and remove the socket."""
        if self._server is None:
            return
        self._server.close()
        await self._connections.close()
        self.socket_path.unlink(missing_ok=True)
        self._server = None


class _Tunnel(AcceptedSide):
    """A connection of the API server: first a CONNECT request, then whatever it is for."""

    def __init__(self, connections: Connections, network: Network) -> None:
        super().__init__(connections)
        self._network = network
        self._deadline: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline = asyncio.get_running_loop().call_later(
            HEAD_SECONDS, self._refuse, HTTPStatus.REQUEST_TIMEOUT, f"no request within {HEAD_SECONDS:g} s"
        )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.peer is not None or self.working or self.transport.is_closing():
            return
        if b"\r\n\r\n" in self.early:
            self._deadline.cancel()
            head, _, rest = self.early.partition(b"\r\n\r\n")
            self.early = rest
            self.begin(self._answer(head.decode("latin-1")))
        elif len(self.early) > HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"no end within {HEAD_BYTES} bytes")

    def joined(self) -> None:
        self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        super().joined()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    async def _answer(self, head: str) -> None:
        try:
            address, port = _destination(head, self._network)
            await self.connect(address, port)
        except _RefusedTunnelError as refusal:
            self._refuse(refusal.status, str(refusal))
        except OSError as error:
            self._refuse(HTTPStatus.BAD_GATEWAY, f"{address}:{port} does not answer: {error!r}")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        logger.warning("egress refused, %d %s: %s", status, status.phrase, reason)
        self._deadline.cancel()
        body = f"{reason}\n".encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\n"
        self.transport.write(
            f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )
        self.transport.close()


def _destination(head: str, network: Network) -> tuple[str, int]:
    """Read a CONNECT request's head and return the address and port that are really bound."""
    request, *_ = head.split("\r\n")
    words = request.split(" ")
    if len(words) != _REQUEST_WORDS or not words[2].startswith("HTTP/1."):
        raise _RefusedTunnelError(HTTPStatus.BAD_REQUEST, f"not a request line: {request[:200]!r}")
    method, authority, _ = words
    if method != "CONNECT":
        raise _RefusedTunnelError(
            HTTPStatus.METHOD_NOT_ALLOWED, f"{method[:20]} asked where only CONNECT serves"
        )
    host, _, port = authority.rpartition(":")
    try:
        ipaddress.IPv4Address(host)
        bound = network.bound(host)
    except ValueError:
        raise _RefusedTunnelError(
            HTTPStatus.FORBIDDEN,
            f"{authority[:200]!r} is not in 10.{network.number}.0.0/16, the network of this environment",
        ) from None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise _RefusedTunnelError(HTTPStatus.BAD_REQUEST, f"{authority[:200]!r} does not end in a port")
    return bound, int(port)
