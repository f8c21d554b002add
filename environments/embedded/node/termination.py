"""The end of one running instance of a container: hook, TERM, KILL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable

from deployer.errors import NotReadyError
from environments.embedded.processes import Process

logger = logging.getLogger(__name__)

# As the kubelet: what is left after a slow preStop hook, at least.
_LEAST_GRACE_SECONDS = 2.0

# Runs the preStop hook within some seconds; returns None or what went wrong.
type Hook = Callable[[float], Awaitable[str | None]]


class Termination:
    """Ends a process by a deadline; begins at once.

    Args:
        process: The process.
        deadline: Time of the event loop when it is killed at the latest.
        hook: What is done before it is told to end.
        hook_failed: Told what went wrong with the hook.
    """

    def __init__(
        self, process: Process, deadline: float, hook: Hook | None, hook_failed: Callable[[str], None]
    ) -> None:
        self._process = process
        self._deadline = deadline
        self._limit: asyncio.Timeout | None = None
        self._hook_failed = hook_failed
        self.task = asyncio.create_task(self._end(hook), name=f"end of {process.spec.name}")

    def hasten(self, deadline: float) -> None:
        """Set an earlier deadline; a later one changes nothing."""
        if deadline < self._deadline:
            self._deadline = deadline
            if self._limit is not None:
                self._limit.reschedule(deadline)

    async def _end(self, hook: Hook | None) -> None:
        if hook is not None:
            await self._run(hook)
            least = asyncio.get_running_loop().time() + _LEAST_GRACE_SECONDS
            self._deadline = max(self._deadline, least)
        self._process.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline) as self._limit:
                await self._process.wait()
                return
        try:
            await self._process.kill()
        except NotReadyError as error:
            logger.error("%s", error)  # noqa: TRY400  the error says all; who waits for the process goes on

    async def _run(self, hook: Hook) -> None:
        problem: str | None = "the grace period is over"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline) as self._limit:
                problem = await hook(max(self._deadline - asyncio.get_running_loop().time(), 0))
        self._limit = None
        if problem is not None:
            self._hook_failed(problem)
