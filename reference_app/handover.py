"""Replaces something that is in use: new users get the new one, the old one is closed after its last user."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


class NothingHeldError(Exception):
    """There is no resource yet: no credential was accepted so far."""


class _Holding[R]:
    def __init__(self, resource: R) -> None:
        self.resource = resource
        self.users = 0
        self.unused = asyncio.Event()
        self.unused.set()


class Handover[R]:
    """Holds one resource, such as a connection pool, that can be replaced under load.

    A connection pool's own close races with those who wait for one of its connections, so users are
    counted here, from before they ask until after they are done.
    """

    def __init__(self, close: Callable[[R], Awaitable[None]]) -> None:
        self._close = close
        self._holding: _Holding[R] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @contextmanager
    def use(self) -> Iterator[R]:
        """Give the current resource, which stays open until the end of the block.

        Raises:
            NothingHeldError: There is none.
        """
        holding = self._holding
        if holding is None:
            raise NothingHeldError
        holding.users += 1
        holding.unused.clear()
        try:
            yield holding.resource
        finally:
            holding.users -= 1
            if not holding.users:
                holding.unused.set()

    def replace(self, resource: R | None) -> None:
        """Make a resource the current one, and close the one before as soon as nobody uses it."""
        before = self._holding
        self._holding = None if resource is None else _Holding(resource)
        if before is not None:
            task = asyncio.create_task(self._retire(before))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the current resource and wait until every earlier one is closed too."""
        self.replace(None)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _retire(self, holding: _Holding[R]) -> None:
        await holding.unused.wait()
        await self._close(holding.resource)
