"""Two stream connections joined into one, by transports and without a task for either direction."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from typing import cast

CONNECT_SECONDS = 5.0

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, zero seconds


class Connections:
    """The open connections of one proxy, so that stopping it leaves none behind."""

    def __init__(self) -> None:
        self._sides: set[Side] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._sides)

    def add(self, side: Side) -> None:
        """Take note of a connection that opened; drop it when it comes after the end."""
        self._sides.add(side)
        self._none_left.clear()
        if self._closed:
            side.reset()

    def remove(self, side: Side) -> None:
        """Take note of a connection that closed."""
        self._sides.discard(side)
        if not self._sides:
            self._none_left.set()

    async def close(self) -> None:
        """Reset every connection, those still being accepted too, and wait until all are gone."""
        self._closed = True
        for side in list(self._sides):
            side.reset()
        await self._none_left.wait()


class Side(asyncio.Protocol):
    """One of two joined connections: what it receives leaves through its peer.

    A peer that cannot write fast enough pauses the reading here, the end of one direction
    is passed on alone, and a reset of either connection resets the other.  Both asyncio
    and uvloop set TCP_NODELAY on every TCP transport, so small answers leave at once.

    Args:
        connections: Where the connection is counted while it is open.
    """

    peer: Side | None = None
    transport: asyncio.Transport

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        # Streams have no other; uvloop's is one by its methods, not by its class.
        self.transport = cast("asyncio.Transport", transport)
        self.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived."""
        if self.peer is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Pass on the end of this direction; close both when the other has ended too."""
        self.ended = True
        if self.peer is None:
            return False
        if self.peer.ended:
            self.peer.transport.close()
            return False
        if not self.peer.transport.is_closing():
            self.peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Read no more from the peer: what it sent is not taken fast enough here."""
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read from the peer again."""
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the peer the way this connection was closed."""
        self.connections.remove(self)
        if self.peer is None:
            return
        if exc is None:
            self.peer.transport.close()
        else:
            self.peer.reset()

    def reset(self) -> None:
        """Drop the connection so that the other end sees a reset, not an orderly end."""
        own_socket = self.transport.get_extra_info("socket")
        if own_socket is not None and not self.transport.is_closing():
            own_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


class AcceptedSide(Side):
    """An accepted connection that gets its peer by work of its own, such as connecting somewhere.

    Attributes:
        early: What arrived before there was a peer; the peer gets it first.
    """

    def __init__(self, connections: Connections) -> None:
        super().__init__(connections)
        self.early = bytearray()
        self._work: asyncio.Task[None] | None = None

    @property
    def working(self) -> bool:
        """Whether the work that brings a peer has begun."""
        return self._work is not None

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Start the work that brings a peer; it ends with this connection."""
        self._work = asyncio.get_running_loop().create_task(work)

    async def connect(self, address: str, port: int) -> None:
        """Connect to a peer and join it.

        Raises:
            OSError: The peer refused, or did not answer within `CONNECT_SECONDS`.
        """
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().create_connection(
                lambda: _ConnectedSide(self.connections, self), address, port
            )

    def joined(self) -> None:
        """Hand over to the peer, which is connected from now on, what came before it."""
        assert self.peer is not None  # noqa: S101  it calls this
        if self.early:
            self.peer.transport.write(bytes(self.early))
            self.early.clear()
        if self.ended:
            self.peer.transport.write_eof()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived, or keep it until there is a peer."""
        if self.peer is not None:
            self.peer.transport.write(data)
            return
        # Pausing at once in connection_made would be in vain: uvloop starts to read after it.
        self.early += data
        if self._work is not None:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Pass on the end of this direction, or keep it until there is a peer."""
        if self.peer is None and self._work is not None:
            self.ended = True
            return True
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the work that would have brought a peer."""
        super().connection_lost(exc)
        if self._work is not None:
            self._work.cancel()


class _ConnectedSide(Side):
    """The connection that was made for an accepted one."""

    def __init__(self, connections: Connections, accepted: AcceptedSide) -> None:
        super().__init__(connections)
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._accepted.transport.is_closing():
            self.reset()
            return
        self.peer, self._accepted.peer = self._accepted, self
        self._accepted.joined()
