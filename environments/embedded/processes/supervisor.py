"""The parent of every process of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from deployer.errors import NotReadyError
from environments.embedded.processes.process import Process, ProcessSpec
from environments.embedded.processes.sweep import RUN_VARIABLE

if TYPE_CHECKING:
    from environments.embedded.run_directory import RunDirectory

_POLL_SECONDS = 0.03


class Supervisor:
    """Starts processes, tells when one ends by itself, and stops them in reverse order.

    Attributes:
        processes: The processes by name, in the order in which they were first started.  One that
            ended by itself stays until it is stopped or restarted.
    """

    def __init__(self, run: RunDirectory, *, on_exit: Callable[[Process], None] | None = None) -> None:
        """Supervise the processes of one run.

        Args:
            run: Where they are recorded.
            on_exit: Called when a process that was ready ends without having been told to.
        """
        self._run = run
        self._on_exit = on_exit
        self._processes: dict[str, Process] = {}
        self._expected: set[Process] = set()
        self.processes: Mapping[str, Process] = MappingProxyType(self._processes)

    async def start(self, spec: ProcessSpec) -> Process:
        """Start a process and wait until it is ready, it has ended, or its deadline has passed.

        If it does not become ready, or the caller is cancelled, it is ended first.

        Raises:
            NotReadyError: It ended (with its exit code and last log lines) or was not ready in time
                (with what was missing).
            MissingToolError: The program cannot be started.
            ValueError: The name is taken.
        """
        if spec.name in self._processes:
            message = f"there is a process named {spec.name} already"
            raise ValueError(message)
        return await self._start(spec)

    async def stop(self, name: str) -> None:
        """Stop one process and forget it.

        Raises:
            KeyError: There is none of that name.
        """
        process = self._processes[name]
        await self._end(process)
        self._forget(process)

    async def restart(self, name: str) -> Process:
        """Stop one process and start it anew from the same specification; its place is kept.

        Raises:
            KeyError: There is none of that name.
            NotReadyError: As for `start`.
        """
        process = self._processes[name]
        await self._end(process)
        return await self._start(process.spec)

    async def stop_all(self) -> None:
        """Stop every process, the last started first.

        Raises:
            ExceptionGroup: Some could not be stopped; all others were.
        """
        errors: list[Exception] = []
        for name in reversed(list(self._processes)):
            try:
                await self.stop(name)
            except Exception as error:  # noqa: BLE001  the others are stopped all the same; none is lost
                errors.append(error)
        if errors:
            raise ExceptionGroup("not every process could be stopped", errors)

    async def _start(self, spec: ProcessSpec) -> Process:
        process = Process.create(spec, {**spec.environment, RUN_VARIABLE: self._run.run_id})
        self._processes[spec.name] = process
        process.on_exit(self._exited)
        self._expected.add(process)
        try:
            self._run.record(
                processes={
                    name: {"pid": each.pid, "started": each.started}
                    for name, each in self._processes.items()
                    if each.returncode is None
                }
            )
            await _until_ready(process)
        except BaseException:
            # Ended for certain before anybody hears of it; a second cancellation must not prevent that.
            await asyncio.shield(self._abandon(process))
            raise
        self._expected.discard(process)
        return process

    async def _abandon(self, process: Process) -> None:
        try:
            await self._end(process)
        finally:
            self._forget(process)

    async def _end(self, process: Process) -> None:
        self._expected.add(process)
        try:
            await process.stop()
        finally:
            self._expected.discard(process)

    def _forget(self, process: Process) -> None:
        if self._processes.get(process.spec.name) is process:
            del self._processes[process.spec.name]

    def _exited(self, process: Process) -> None:
        if process not in self._expected and self._on_exit is not None:
            self._on_exit(process)


async def _until_ready(process: Process) -> None:
    spec = process.spec
    if spec.ready is None:
        return
    missing = ["its first check did not end"]
    ready = asyncio.create_task(_poll(spec.ready, missing))
    exited = asyncio.create_task(process.wait())
    try:
        done, _ = await asyncio.wait(
            {ready, exited}, timeout=spec.deadline, return_when=asyncio.FIRST_COMPLETED
        )
        if exited in done:
            raise _ended_early(process)
        if ready not in done:
            raise NotReadyError(
                spec.name,
                expected=f"it to be ready within {spec.deadline:g} s",
                seen=f"{missing[-1]}; the last lines of its log:\n{process.log_tail()}",
                remedy=f"Read {spec.log}; see whether the machine is overloaded.",
            )
        ready.result()
    finally:
        for task in (ready, exited):
            task.cancel()
        await asyncio.gather(ready, exited, return_exceptions=True)
    if process.returncode is not None:
        raise _ended_early(process)


def _ended_early(process: Process) -> NotReadyError:
    return NotReadyError(
        process.spec.name,
        expected="it to start and keep running",
        seen=f"it {process.outcome()}; the last lines of its log:\n{process.log_tail()}",
        remedy=f"Read {process.spec.log}.",
    )


async def _poll(check: Callable[[], Awaitable[str | None]], missing: list[str]) -> None:
    while (reason := await check()) is not None:
        missing[-1] = reason
        await asyncio.sleep(_POLL_SECONDS)
