"""The socket by which clients ask the host of an environment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from deployer.errors import MitaError, NotReadyError
from environments.embedded.messages import Message, encode, error, of_error

FILE = "control.sock"

type Answer = Callable[[Message], AsyncIterator[Message]]
"""Answers one request with any number of messages."""


async def serve(path: Path, answer: Answer) -> asyncio.Server:
    """Listen on a Unix socket that only its owner may use.

    Each connection carries one request; the answer ends with ``{"kind": "end"}``, or with
    an error.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                async for message in answer(json.loads(await reader.readline())):
                    writer.write(encode(message))
                    await writer.drain()
                writer.write(encode({"kind": "end"}))
            except MitaError as failure:
                writer.write(encode(of_error(failure)))
            await writer.drain()
        writer.close()

    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.fspath(path))
        # Nobody can connect before it listens, so the mode holds from the first moment.
        os.chmod(path, 0o600)  # noqa: PTH101  a method of Path is taken for slow work
        return await asyncio.start_unix_server(connected, sock=listener)
    except BaseException:
        listener.close()
        raise


def ask(path: Path, request: Message, *, timeout: float) -> Iterator[Message]:
    """Send a request and yield the messages of its answer.

    Args:
        path: The socket.
        request: The request.
        timeout: Seconds that each message may take.

    Raises:
        MitaError: What the host answered with.
        NotReadyError: Nobody answers, or the answer breaks off.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(os.fspath(path))
            connection.sendall(encode(request))
            for line in connection.makefile("rb"):
                message: Message = json.loads(line)
                if message["kind"] == "end":
                    return
                if message["kind"] == "error":
                    raise error(message)
                yield message
        seen = "the answer broke off"
    except OSError as failure:
        seen = failure.strerror or type(failure).__name__
    raise NotReadyError(
        f"host of the embedded environment ({path})",
        expected=f"an answer to {request['ask']!r} within {timeout:g} s",
        seen=seen,
        remedy="Stop what is left of it (mita down), then start it again (mita up).",
    )
