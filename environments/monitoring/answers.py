"""Whether a server answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp

_CHECK_SECONDS = 5


def answering(url: str) -> Callable[[], Awaitable[str | None]]:
    """Return a check that says what is missing until a URL is answered with success."""

    async def missing() -> str | None:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_CHECK_SECONDS)) as session,
                session.get(url) as answer,
            ):
                return None if answer.ok else f"{url} answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError):
            return f"nothing answers at {url}"

    return missing
