"""Waking everybody who waits for the next change of something."""

from __future__ import annotations

import asyncio


class Pulse:
    """Something that changes now and then.

    Who looks at the state and calls `wait` without awaiting anything in between misses no change.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Wake everybody who waits."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next beat."""
        await self._event.wait()


async def either(
    event: asyncio.Event, other: asyncio.Event | Pulse | None = None, seconds: float | None = None
) -> bool:
    """Wait until an event is set, or the other one comes, or the time is over.

    Returns:
        Whether the first event is set.
    """
    if event.is_set():
        return True
    tasks = [asyncio.ensure_future(each.wait()) for each in (event, other) if each is not None]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return event.is_set()
