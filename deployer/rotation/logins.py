"""Proof by use: a value is worth what it opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

import psycopg2
import redis
from pydantic import SecretStr

from deployer.connections import Connections, ServerLogin
from deployer.errors import NotReadyError
from deployer.servers import cache_client, connect_database
from deployer.shapes import Fields


def text(value: SecretStr | int | None) -> str:
    """Return a field's value; only for logging in, never for messages."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _database(server: ServerLogin, fields: Fields) -> None:
    connection = connect_database(
        server,
        username=text(fields["username"]),
        password=SecretStr(text(fields["password"])),
        database=text(fields["database"]),
        program="mita-rotation-proof",
    )
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _cache(server: ServerLogin, fields: Fields) -> None:
    with closing(cache_client(server, password=text(fields["password"]))) as client:
        client.ping()


_LOGINS: Mapping[str, Callable[[ServerLogin, Fields], None]] = {
    "database_rotation": _database,
    "redis_rotation": _cache,
}


def _server(module: str, connections: Connections) -> ServerLogin | None:
    return {"database_rotation": connections.database, "redis_rotation": connections.cache}.get(module)


def provable(module: str, connections: Connections) -> bool:
    """Tell whether the values that a function rotates can be tried from here."""
    return _server(module, connections) is not None


def require_accepted(module: str, connections: Connections, fields: Fields, which: str) -> None:
    """Log in with a value, at the address that it names.

    Args:
        module: The rotation function's.
        connections: The place, whose server it is for.
        fields: The value.
        which: What to call it.

    Raises:
        NotReadyError: It is not accepted.
    """
    server = _server(module, connections)
    assert server is not None, "ask `provable` first"  # noqa: S101
    named = replace(server, host=text(fields["host"]), port=int(text(fields["port"])))
    try:
        _LOGINS[module](named, fields)
    except (psycopg2.Error, redis.RedisError) as error:
        raise NotReadyError(
            f"login with {which}",
            expected="to be accepted",
            seen=type(error).__name__,
            remedy="Read the rotation function's log; the label AWSPREVIOUS has the value before.",
        ) from None
