"""One listening address whose connections go to one of several endpoints."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence

from environments.embedded.node.service_ports import Address
from environments.embedded.node.splice import AcceptedSide, Connections

logger = logging.getLogger(__name__)

_BACKLOG = 1024


class Forwarder:
    """Forwards the connections to an address to its endpoints, each in turn.

    While there is no endpoint nothing listens, so that the kernel refuses connections at
    once.  Connections that exist outlive every change of the endpoints.

    Args:
        address: Where it listens.
        connections: Where its connections are counted.
    """

    def __init__(self, address: Address, connections: Connections) -> None:
        self.address = address
        self._connections = connections
        self._endpoints: list[Address] = []
        self._next = 0
        self._server: asyncio.Server | None = None
        self._closed = False

    async def forward_to(self, endpoints: Sequence[Address]) -> None:
        """Forward from now on to these endpoints only.

        Raises:
            OSError: The address cannot be listened on, or, with no endpoints, could not be.
        """
        self._endpoints = list(endpoints)
        if self._server is not None:
            if not endpoints:
                self._unlisten()
            return
        listener = self._bind()
        if not endpoints:
            listener.close()
            return
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Client(self._connections, self), sock=listener, backlog=_BACKLOG
        )
        if self._closed:
            self._unlisten()

    def close(self) -> None:
        """Stop listening for good; connections stay."""
        self._closed = True
        self._unlisten()

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def turn(self) -> list[Address]:
        """Return the endpoints in the order in which the next connection tries them."""
        endpoints = self._endpoints
        if not endpoints:
            return []
        first = self._next % len(endpoints)
        self._next = first + 1
        return endpoints[first:] + endpoints[:first]

    def _bind(self) -> socket.socket:
        # asyncio sets TCP_NODELAY only where the protocol is named.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            # Connections that outlived an earlier listener do not stand in the way.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
        except BaseException:
            listener.close()
            raise
        return listener


class _Client(AcceptedSide):
    """A client's connection, joined to the first endpoint that takes it."""

    def __init__(self, connections: Connections, forwarder: Forwarder) -> None:
        super().__init__(connections)
        self._forwarder = forwarder

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.begin(self._reach_endpoint())

    async def _reach_endpoint(self) -> None:
        for address, port in self._forwarder.turn():
            try:
                await self.connect(address, port)
            except OSError as error:
                logger.debug("endpoint %s:%d of %s: %r", address, port, self._forwarder.address, error)
            else:
                return
        self.reset()
