"""Servers to put behind a proxy, and conditions to wait for."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger

type Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


async def eventually(holds: Callable[[], bool], *, what: str, seconds: float = 10) -> None:
    """Wait until a condition holds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back, then end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


class Backend:
    """A server that counts its connections."""

    def __init__(self, address: str, port: int, answer: Answer) -> None:
        self.address, self.port, self.answer = address, port, answer
        self.accepted = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await self._server.wait_closed()

    def reset(self) -> None:
        """Reset every connection that was accepted."""
        for writer in self.writers:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.writers.append(writer)
        answered = self.answer(reader, writer)
        if asyncio.iscoroutine(answered):
            try:
                await answered
            except ConnectionError:
                writer.close()


@asynccontextmanager
async def backend(address: str, answer: Answer = echo, port: int = 0) -> AsyncIterator[Backend]:
    """Run a server, by default one that echoes, on a free port of an address."""
    server = Backend(address, port, answer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
