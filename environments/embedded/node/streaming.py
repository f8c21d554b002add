"""Commands in containers over WebSocket, as `kubectl exec` speaks it.

Each message is a channel's number and its bytes: 0 is standard input, 1 standard output,
2 standard error, 3 the outcome as a metav1.Status, 4 the size of the terminal.  In
version 5 of the protocol the message 255, 0 ends the input.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSMsgType, web

from environments.embedded.node.exec_process import Descriptor, ExecProcess

logger = logging.getLogger(__name__)

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
PULSE_SECONDS = 2.0
"""How often a session looks whether its container still runs, and its client still listens."""

_END_OF_CHANNEL = 255


class Channel(enum.IntEnum):
    """The channels of the protocol."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    STATUS = 3
    RESIZE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """A command to run, and the streams that the client wants.

    Attributes:
        argv: Program and arguments, as the host knows them.
        environment: The whole environment.
        directory: Working directory.
        stdin: Whether there is input.
        stdout: Whether the output is wanted.
        stderr: Whether the errors are wanted.
        tty: Whether all streams are one terminal.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


async def serve_exec(socket: web.WebSocketResponse, request: ExecRequest, lives: Callable[[], bool]) -> None:
    """Run a command and carry its streams until it, its container or the connection ends.

    Args:
        socket: The client's, prepared.
        request: The command.
        lives: Whether the container still runs.
    """
    try:
        process = ExecProcess.start(
            request.argv, request.environment, request.directory, stdin=request.stdin, tty=request.tty
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        await _tell(socket, _not_started(request.argv[0], error))
        await socket.close()
        return
    session = _Session(socket, request, process, lives)
    # The client may be gone at any moment, which ends the session and no more.
    with contextlib.suppress(ConnectionError):
        await session.run()


class _Session:
    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: ExecRequest,
        process: ExecProcess,
        lives: Callable[[], bool],
    ) -> None:
        self._socket = socket
        self._request = request
        self._process = process
        self._lives = lives

    async def run(self) -> None:
        """Carry everything, then tell the outcome; the command is gone when this returns."""
        outcome = asyncio.create_task(self._outcome())
        tasks = [outcome, asyncio.create_task(self._receive()), asyncio.create_task(self._watch())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            if outcome.done():
                await _tell(self._socket, _exited(outcome.result()))
                await self._socket.close()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._process.close()

    async def _outcome(self) -> int:
        """Return the exit code once all output is sent."""
        wanted = [self._request.stdout, self._request.stderr]
        await asyncio.gather(
            *(
                self._send(channel, output, wanted=asked)
                for channel, output, asked in zip(
                    (Channel.STDOUT, Channel.STDERR), self._process.outputs, wanted, strict=False
                )
            )
        )
        return await self._process.wait()

    async def _send(self, channel: Channel, output: Descriptor, *, wanted: bool) -> None:
        while data := await output.read():
            if wanted:
                await self._socket.send_bytes(bytes([channel]) + data)

    async def _receive(self) -> None:
        """Take what the client sends until it leaves."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                await self._take(message.data)
            elif message.type is not WSMsgType.TEXT:
                return

    async def _take(self, data: bytes) -> None:
        match data[:1], self._process:
            case (b"\x00", ExecProcess(stdin=Descriptor() as stdin)):
                await stdin.write(data[1:])
            case (b"\x04", ExecProcess(terminal=Descriptor() as terminal)):
                _resize(terminal, data[1:])
            case (b"\xff", process) if data == bytes([_END_OF_CHANNEL, Channel.STDIN]):
                await process.end_input()

    async def _watch(self) -> None:
        """Kill the command when its container has ended; find out when the client is gone.

        While the command does not take its input, nothing is read from the client, and its
        going would not be seen; but sending to it fails.
        """
        while self._lives():
            await asyncio.sleep(PULSE_SECONDS)
            await self._socket.ping()
        self._process.kill()
        await asyncio.Event().wait()  # the outcome comes next


def _resize(terminal: Descriptor, message: bytes) -> None:
    try:
        size = json.loads(message)
        terminal.resize(int(size["Width"]), int(size["Height"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        logger.debug("not a size of a terminal: %r", error)


async def _tell(socket: web.WebSocketResponse, status: Mapping[str, object]) -> None:
    text = json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, **status})
    await socket.send_bytes(bytes([Channel.STATUS]) + text.encode())


def _exited(code: int) -> Mapping[str, object]:
    if code == 0:
        return {"status": "Success"}
    return {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(program: str, error: Exception) -> Mapping[str, object]:
    if isinstance(error, FileNotFoundError):
        why = "executable file not found in $PATH"
    else:
        why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return {
        "status": "Failure",
        "reason": "InternalError",
        "message": f'Internal error occurred: error executing command in container: exec: "{program}": {why}',
        "code": 500,
    }
