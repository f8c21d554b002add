"""What the tests do to the servers that the application uses, as their administrators."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psycopg2
import redis
from psycopg2 import sql

from deployer.connections import ServerLogin


@dataclass(frozen=True)
class PostgreSQL:
    """A running server with the logins that take turns, as in production."""

    administrator: ServerLogin

    def provision(self) -> None:
        """Make the roles."""
        self.execute("CREATE ROLE mita_owner NOLOGIN")
        self.execute("CREATE ROLE mita_app NOLOGIN IN ROLE mita_owner")
        self.execute("CREATE ROLE mita_app_clone NOLOGIN IN ROLE mita_owner")

    def execute(self, statement: str, *values: str) -> list[tuple[object, ...]]:
        """Run one statement; each ``{}`` in it stands for a literal."""
        login = self.administrator
        connection = psycopg2.connect(
            host=login.host,
            port=login.port,
            user=login.username,
            password=login.password.get_secret_value(),
            dbname="mita",
        )
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Literal, values)))
                return list(cursor.fetchall()) if cursor.description else []

    def set_password(self, login: str, password: str) -> None:
        """Give a login a password and let it log in."""
        self.execute(f"ALTER ROLE {login} LOGIN PASSWORD {{}}", password)

    def sessions(self, login: str) -> int:
        """Count a login's open sessions."""
        return len(self.execute("SELECT pid FROM pg_stat_activity WHERE usename = {}", login))

    def end_sessions(self, login: str) -> None:
        """Cut a login's sessions off, as a restart of the server does."""
        self.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}", login)


@dataclass(frozen=True)
class Valkey:
    """A running server whose ``default`` user holds the application's passwords."""

    administrator: ServerLogin

    def provision(self) -> None:
        """Give the ``default`` user production's rights, and no password yet."""
        self.acl("on", "resetpass", "~*", "&*", "+@all", "-@admin", "-@dangerous")

    def acl(self, *rules: str) -> None:
        """Change the ``default`` user, for example by ``>password`` and ``<password``."""
        self._command("ACL", "SETUSER", "default", *rules)

    def end_sessions(self) -> None:
        """Cut the ``default`` user's connections off."""
        self._command("CLIENT", "KILL", "USER", "default")

    def _command(self, *words: str) -> None:
        login = self.administrator
        client = redis.Redis(
            login.host, login.port, username=login.username, password=login.password.get_secret_value()
        )
        with contextlib.closing(client):
            client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis leaves it untyped
