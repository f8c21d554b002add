"""The process that one embedded environment lives in: ``python -m environments.embedded.host``.

It is the parent of every server and of every pod, and runs the node, the egress proxy and
the service proxy itself.  A client starts it with a socket as standard input, sends one
order, and reads progress until it is ready.  If that socket closes before the client has
said ``detach``, the client is gone, and the host stops everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import uvloop

from deployer.errors import MitaError, NotReadyError
from deployer.progress import Step
from environments.embedded import control
from environments.embedded.access import Access
from environments.embedded.messages import DETACH, Message, encode, of_error, of_step
from environments.embedded.processes import Process, Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site
from environments.embedded.stack import StackStarter

_LAST_WORDS_SECONDS = 2.0

logger = logging.getLogger(__name__)


class Client:
    """Whoever started the host, as long as it listens."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def tell(self, message: Message) -> None:
        """Send a message; one that nobody reads any more is dropped."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def gone(self) -> bool:
        """Wait until the client leaves, and tell whether it took the environment with it."""
        try:
            return await self._reader.readline() != DETACH
        except ConnectionError:
            return True

    async def close(self) -> None:
        """Send what is left to send."""
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                self._writer.close()
                await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            pass


class Host:
    """Runs one environment until it is told to stop.

    Args:
        run: Its directory; released at the end.
        tools: Paths of programs by name.
        client: Who started it.
    """

    def __init__(self, run: RunDirectory, tools: dict[str, Path], client: Client) -> None:
        self._run = run
        self._tools = tools
        self._client = client
        self._began = time.time()
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._supervisor = Supervisor(run, on_exit=self._exited)
        site = Site(run=run, network=run.network, supervisor=self._supervisor, tools=tools)
        self._starter = StackStarter(site, lambda step: client.tell(of_step(step)))

    async def run(self) -> int:
        """Start everything, serve until told to stop, and stop everything.

        Returns:
            The process' exit code.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        watching = asyncio.create_task(self._watch_client())
        server: asyncio.Server | None = None
        failure: MitaError | None = None
        try:
            server = await self._start()
            if server is not None:
                await self._stop.wait()
        except MitaError as error:
            failure = error
        except Exception as error:
            logger.exception("the environment could not be started")
            failure = NotReadyError(
                "embedded environment",
                expected="every part of it to start",
                seen=f"{type(error).__name__}: {error}",
                remedy=f"This is a defect; what happened is in {self._run.logs / 'host.log'}.",
            )
        await self._end(failure)
        watching.cancel()
        if server is not None:
            server.close()
            await asyncio.wait([asyncio.create_task(server.wait_closed())], timeout=_LAST_WORDS_SECONDS)
        return 1 if failure else 0

    async def _start(self) -> asyncio.Server | None:
        """Start everything; None when told to stop meanwhile."""
        starting = asyncio.create_task(self._starter.start())
        stopping = asyncio.create_task(self._stop.wait())
        ends: set[asyncio.Future[Any]] = {starting, stopping, self._broken}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                self._broken.result()
            if not starting.done():
                return None
            stack = starting.result()
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.wait({starting, stopping})
        Access.of(self._run, stack, self._tools).write(self._run)
        server = await control.serve(self._run.root / control.FILE, self._answer)
        self._client.tell({"kind": "ready"})
        return server

    async def _end(self, failure: MitaError | None) -> None:
        self._client.tell(of_step(Step("embedded environment", "progress", "stopping")))
        try:
            await self._starter.stop()
        finally:
            # What a failure's explanation points to has to be there afterwards.
            self._run.release(remove=True, keep_logs=failure is not None)
        if failure is not None:
            self._client.tell(of_error(failure))
        self._stopped.set()
        await self._client.close()

    async def _watch_client(self) -> None:
        if await self._client.gone():
            self._stop.set()

    def _exited(self, process: Process) -> None:
        explained = self._explained(process)
        logger.error("%s", explained)
        if not self._broken.done():
            self._broken.set_exception(explained)
            self._broken.exception()  # looked at: without a start to fail, nobody else does

    def _explained(self, process: Process) -> NotReadyError:
        return NotReadyError(
            process.spec.name,
            expected="it to keep running",
            seen=f"it {process.outcome()}; the last lines of its log:\n{process.log_tail()}",
            remedy=f"Read {process.spec.log}; then start anew: mita down, mita up.",
        )

    async def _answer(self, request: Message) -> AsyncIterator[Message]:
        match request["ask"]:
            case "status":
                yield self._status()
            case "stop":
                self._stop.set()
                await self._stopped.wait()
            case "restart":
                await self._supervisor.restart(request["name"])
            case "freeze":
                await _freeze(self._supervisor.processes[request["name"]].pid, request["seconds"])
            case unknown:
                raise NotReadyError(
                    "host of the embedded environment",
                    expected="a request of its own version",
                    seen=repr(unknown),
                    remedy="Stop the environment (mita down) and start it again (mita up).",
                )

    def _status(self) -> Message:
        processes = [
            {
                "name": name,
                "pid": process.pid,
                "outcome": None if process.returncode is None else process.outcome(),
                "log": str(process.spec.log),
            }
            for name, process in self._supervisor.processes.items()
        ]
        failures = [
            of_error(self._explained(process))
            for process in self._supervisor.processes.values()
            if process.returncode is not None
        ]
        return {
            "kind": "status",
            "run_id": self._run.run_id,
            "network": self._run.network.number,
            "began": self._began,
            "processes": processes,
            "failures": failures,
        }


async def _freeze(pid: int, seconds: float) -> None:
    """Stop a process and its children for a time, the parent first so that it makes no more of them."""
    parent = psutil.Process(pid)
    parent.suspend()
    frozen = [parent, *parent.children(recursive=True)]
    try:
        for process in frozen[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        await asyncio.sleep(seconds)
    finally:
        for process in reversed(frozen):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


async def _host() -> int:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=os.dup(0)))
    client = Client(reader, writer)
    order = json.loads(await reader.readline())
    try:
        run = RunDirectory.claim(order["name"])
    except MitaError as error:
        client.tell(of_error(error))
        await client.close()
        return 1
    _write_to(run.logs / "host.log")
    tools = {name: Path(path) for name, path in order["tools"].items()}
    return await Host(run, tools, client).run()


def _write_to(log: Path) -> None:
    """Let this process, and whatever of it writes without asking, write to a log file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def main() -> None:
    """Run the host with the client's socket as standard input."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_host()))


if __name__ == "__main__":
    main()
