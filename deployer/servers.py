"""Connections to PostgreSQL and Redis; where a server speaks TLS, its certificate is verified."""

from __future__ import annotations

from typing import Any

import psycopg2
import redis
from psycopg2 import extensions
from pydantic import SecretStr

from deployer.connections import ServerLogin

DATABASE_SECONDS = 10
CACHE_SECONDS = 5.0


def connect_database(
    server: ServerLogin,
    *,
    username: str | None = None,
    password: SecretStr | None = None,
    database: str | None = None,
    program: str = "mita-deployer",
) -> extensions.connection:
    """Log in on PostgreSQL.

    Args:
        server: Where, and the login and database that count unless others are given.
        username: Who logs in.
        password: With what.
        database: On which database.
        program: What the server shows as the connection's program.

    Raises:
        psycopg2.Error: It does not answer, or refuses the login.
    """
    connection: extensions.connection = psycopg2.connect(
        host=server.host,
        port=server.port,
        user=username or server.username,
        password=(password or server.password).get_secret_value(),
        dbname=database or server.database or "postgres",
        connect_timeout=DATABASE_SECONDS,
        application_name=program,
        **database_tls(server),
    )
    return connection


def database_tls(server: ServerLogin | None) -> dict[str, Any]:
    """Return libpq's settings for TLS; none where the server does not speak it."""
    if server is None or server.authority is None:
        return {}
    return {"sslmode": "verify-full", "sslrootcert": str(server.authority)}


def cache_tls(server: ServerLogin | None) -> dict[str, Any]:
    """Return redis-py's settings for TLS; none where the server does not speak it."""
    if server is None or server.authority is None:
        return {}
    return {"ssl_ca_certs": str(server.authority)}


def cache_client(server: ServerLogin, **options: Any) -> redis.Redis:  # noqa: ANN401  whatever its client takes
    """Make a client of Redis; it connects when it is used, and its caller closes it."""
    if server.authority is not None:
        options |= {"ssl": True, **cache_tls(server)}
    return redis.Redis(
        host=server.host,
        port=server.port,
        socket_timeout=CACHE_SECONDS,
        socket_connect_timeout=CACHE_SECONDS,
        **options,
    )
