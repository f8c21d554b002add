"""Redis through a connection pool that changes its password under load."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import AuthenticationError

from reference_app.handover import Handover
from reference_app.reload import required

_TIMEOUT_SECONDS = 5.0
_MOST_CONNECTIONS = 4


class Cache:
    """The client in use, and how to replace it."""

    login_errors: tuple[type[Exception], ...] = (AuthenticationError,)

    def __init__(self) -> None:
        self._clients: Handover[Redis] = Handover(_close)

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        """Open a client by ``REDIS_URL``, prove it by a PING, then hand requests over to it."""
        url = required(values, "REDIS_URL")
        client = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url,
                max_connections=_MOST_CONNECTIONS,
                timeout=_TIMEOUT_SECONDS,
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
                client_name="mita",
            )
        )
        try:
            await client.ping()
        except BaseException:
            await _close(client)
            raise
        self._clients.replace(client)
        return {"password": unquote(urlsplit(url).password or "")}

    async def check(self) -> None:
        """Ask the server something with the password in use; raises whatever keeps it from answering."""
        with self._clients.use() as client:
            await client.ping()

    async def close(self) -> None:
        """Close every connection."""
        await self._clients.close()


async def _close(client: Redis) -> None:
    await client.aclose()
