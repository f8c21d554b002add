"""Proof by use: a value is worth what it opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

import psycopg2
import redis
from pydantic import SecretStr

from deployer.connections import Connections
from deployer.errors import NotReadyError
from deployer.shapes import Fields

_SECONDS = 5


def text(value: SecretStr | int | None) -> str:
    """Return a field's value; only for logging in, never for messages."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _database(fields: Fields) -> None:
    with (
        closing(
            psycopg2.connect(
                host=text(fields["host"]),
                port=int(text(fields["port"])),
                dbname=text(fields["database"]),
                user=text(fields["username"]),
                password=text(fields["password"]),
                connect_timeout=_SECONDS,
                application_name="mita-rotation-proof",
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")


def _cache(fields: Fields) -> None:
    client = redis.Redis(
        host=text(fields["host"]),
        port=int(text(fields["port"])),
        password=text(fields["password"]),
        socket_timeout=_SECONDS,
    )
    with closing(client):
        client.ping()


_LOGINS: Mapping[str, Callable[[Fields], None]] = {
    "database_rotation": _database,
    "redis_rotation": _cache,
}


def provable(module: str, connections: Connections) -> bool:
    """Tell whether the values that a function rotates can be tried from here."""
    server = {"database_rotation": connections.database, "redis_rotation": connections.cache}.get(module)
    return server is not None


def require_accepted(module: str, fields: Fields, which: str) -> None:
    """Log in with a value.

    Args:
        module: The rotation function's.
        fields: The value.
        which: What to call it.

    Raises:
        NotReadyError: It is not accepted.
    """
    try:
        _LOGINS[module](fields)
    except (psycopg2.Error, redis.RedisError) as error:
        raise NotReadyError(
            f"login with {which}",
            expected="to be accepted",
            seen=type(error).__name__,
            remedy="Read the rotation function's log; the label AWSPREVIOUS has the value before.",
        ) from None
