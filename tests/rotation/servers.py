"""PostgreSQL and Valkey for the rotation's tests, and what they accept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

from deployer.connections import ServerLogin
from environments.embedded.databases import start_postgresql, start_valkey
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site

# Numbers that no other room's tests use.
NUMBERS = range(110, 115)
_SECONDS = 10.0
LOGINS = ("mita_app", "mita_app_clone")


@dataclass(frozen=True)
class Servers:
    """Both servers, with their administrators' logins."""

    database: ServerLogin
    cache: ServerLogin


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Run both, for tests that block: their event loop only runs to start and to stop them."""
    with tempfile.TemporaryDirectory(prefix="mita-rotation-") as name, asyncio.Runner() as runner:
        # PostgreSQL's account has to get through.
        Path(name).chmod(0o711)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MITA_STATE", name)
            run = RunDirectory.claim("rotation", numbers=NUMBERS)
        supervisor = Supervisor(run)
        site = Site(run=run, network=run.network, supervisor=supervisor, tools={})
        try:
            yield Servers(runner.run(start_postgresql(site)), runner.run(start_valkey(site)))
        finally:
            runner.run(supervisor.stop_all())
            run.release(remove=True)


class Database:
    """The application's side of PostgreSQL."""

    def __init__(self, server: ServerLogin) -> None:
        self.server = server
        self._known: dict[tuple[str, str], bool] = {}
        self.administrator = self.connect(server.username, server.password.get_secret_value())
        self.administrator.run("CREATE ROLE mita_owner NOLOGIN")
        for login in LOGINS:
            self.administrator.run(f"CREATE ROLE {login} NOLOGIN IN ROLE mita_owner")
            self.administrator.run(f"ALTER ROLE {login} IN DATABASE mita SET ROLE TO mita_owner")
        self.administrator.run("ALTER DATABASE mita OWNER TO mita_owner")

    def connect(self, username: str, password: str) -> Connection:
        """Log in."""
        return Connection(
            username,
            password=password,
            host=self.server.host,
            port=self.server.port,
            database="mita",
            timeout=5,
            ssl_context=False,
        )

    def reset(self, password: str) -> None:
        """Let the first login in with a password, and the other not at all, as after the deployment."""
        self.administrator.run(f"ALTER ROLE {LOGINS[0]} LOGIN PASSWORD '{password}'")
        self.administrator.run(f"ALTER ROLE {LOGINS[1]} NOLOGIN PASSWORD NULL")

    def accepts(self, text: str) -> bool:
        """Tell whether the login of a secret's value gets in; asked once while the role stays as it is."""
        value = json.loads(text)
        role = (text, str(self.verifier(value["username"])))
        if role not in self._known:
            self._known[role] = self._lets_in(value)
        return self._known[role]

    def _lets_in(self, value: dict[str, str]) -> bool:
        try:
            with closing(self.connect(value["username"], value["password"])) as connection:
                return bool(connection.run("SELECT current_user") == [["mita_owner"]])
        except DatabaseError:
            return False

    def verifier(self, login: str) -> object:
        """Return what the server keeps of a login's password."""
        return self.administrator.run(
            "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = :login", login=login
        )

    def sessions(self, login: str) -> int:
        """Count a login's sessions."""
        [[count]] = self.administrator.run(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = :login", login=login
        )
        return int(count)

    def wait_for_sessions(self, login: str, count: int) -> None:
        """Wait until those that were closed have gone."""
        deadline = time.monotonic() + _SECONDS
        while self.sessions(login) != count:
            assert time.monotonic() < deadline, f"{login} has {self.sessions(login)} sessions, not {count}"


class Cache:
    """The application's side of Valkey."""

    def __init__(self, server: ServerLogin) -> None:
        self.server = server
        self.administrator = self.connect(server.username, server.password.get_secret_value())

    def connect(self, username: str, password: str) -> redis.Redis:
        """Return a client that logs in."""
        return redis.Redis(
            host=self.server.host,
            port=self.server.port,
            username=username,
            password=password,
            decode_responses=True,
            protocol=2,
        )

    def reset(self, password: str) -> None:
        """Let the application in with one password, as after the deployment."""
        command: Any = self.administrator.execute_command
        digest = hashlib.sha256(password.encode()).hexdigest()
        rules = ("on", "resetpass", f"#{digest}", "resetkeys", "~*", "resetchannels", "&*", "-@all", "+@all")
        command("ACL SETUSER", "default", *rules, "-@admin", "-@dangerous")
        command("DEL", "mita:rotation:default")

    def accepts(self, text: str) -> bool:
        """Tell whether the password of a secret's value gets in."""
        with closing(self.connect("default", json.loads(text)["password"])) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return False

    def passwords(self) -> set[str]:
        """Return the digests of the passwords that are accepted."""
        user: Any = self.administrator.acl_getuser("default")
        return set(user["passwords"])
