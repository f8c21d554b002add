"""PostgreSQL through a connection pool that changes its login under load."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import asyncpg

from reference_app.handover import Handover
from reference_app.reload import required

_TIMEOUT_SECONDS = 5.0
_MOST_CONNECTIONS = 4
_CLOSE_SECONDS = 10.0


class Database:
    """The pool in use, and how to replace it."""

    login_errors: tuple[type[Exception], ...] = (asyncpg.InvalidAuthorizationSpecificationError,)

    def __init__(self) -> None:
        self._pools: Handover[asyncpg.Pool] = Handover(_close)

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        """Open a pool by ``DATABASE_URL``, prove it by a query, then hand requests over to it."""
        url = required(values, "DATABASE_URL")
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=_MOST_CONNECTIONS,
            timeout=_TIMEOUT_SECONDS,
            command_timeout=_TIMEOUT_SECONDS,
            server_settings={"application_name": "mita"},
        )
        try:
            await pool.fetchval("SELECT 1")
        except BaseException:
            pool.terminate()
            raise
        self._pools.replace(pool)
        return {"password": unquote(urlsplit(url).password or "")}

    async def check(self) -> None:
        """Ask the server something with the login in use; raises whatever keeps it from answering."""
        with self._pools.use() as pool:
            await pool.fetchval("SELECT 1")

    async def close(self) -> None:
        """Close every connection."""
        await self._pools.close()


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()
