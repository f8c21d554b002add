"""PostgreSQL's side of the application's login: roles, database, grants, password."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import extensions, sql
from pydantic import SecretStr

from deployer.changes import Change, differences
from deployer.connections import ServerLogin
from deployer.desired import DesiredDatabase
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.values import StoredValue, Values
from deployer.servers import connect_database

# Attributes that no role of the application may have, as pg_roles names them, and how to take them away.
POWERS = {
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}

_ROLES = """
SELECT r.rolname, r.rolcanlogin, ARRAY_REMOVE(ARRAY[
         CASE WHEN rolsuper THEN 'rolsuper' END, CASE WHEN rolcreatedb THEN 'rolcreatedb' END,
         CASE WHEN rolcreaterole THEN 'rolcreaterole' END, CASE WHEN rolreplication THEN 'rolreplication' END,
         CASE WHEN rolbypassrls THEN 'rolbypassrls' END], NULL),
       EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid
                WHERE m.member = r.oid AND o.rolname = %(owner)s),
       EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                WHERE s.setrole = r.oid AND d.datname = %(database)s
                  AND 'role=' || %(owner)s = ANY (s.setconfig))
  FROM pg_roles r WHERE r.rolname = ANY (%(names)s)
"""
_DATABASE = """
SELECT pg_get_userbyid(datdba), has_database_privilege('public', oid, 'CONNECT')
  FROM pg_database WHERE datname = %(database)s
"""


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """A PostgreSQL role: may it log in, what is it too mighty for, does it act as the owner."""

    can_login: bool
    powers: tuple[str, ...]
    member: bool
    acts_as_owner: bool


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The server as it was observed.

    Attributes:
        owner: Owner of the database; None when there is no such database.
        public: Whether everybody may connect to it.
        accepted: Whether the login and password of the stored secret are accepted.
    """

    roles: Mapping[str, RoleFacts]
    owner: str | None
    public: bool
    accepted: bool


class DatabaseLogin(Kind[DatabaseState]):
    """The application's database and logins, which follow what Secrets Manager holds."""

    kind = "database-login"
    carries_secrets = True

    def __init__(self, desired: DesiredDatabase, *, server: ServerLogin, values: Values) -> None:
        super().__init__(desired.phase)
        self._desired = desired
        self._server = server
        self._values = values
        self._name = desired.name

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, DatabaseState]:  # noqa: ARG002  only one
        """Ask the server for roles and database, and try the stored login."""
        desired = self._desired
        names_of_roles = [desired.owner, *desired.logins]
        with self._administrator() as cursor:
            cursor.execute(
                _ROLES, {"owner": desired.owner, "database": desired.name, "names": names_of_roles}
            )
            roles = {
                name: RoleFacts(can_login, tuple(powers), member, acts)
                for name, can_login, powers, member, acts in cursor.fetchall()
            }
            cursor.execute(_DATABASE, {"database": desired.name})
            owner, public = cursor.fetchone() or (None, False)
        stored = self._values.observe({desired.secret}).get(desired.secret)
        login = _credentials(stored, desired)
        accepted = owner is not None and login is not None and self._accepts(*login)
        return {self._name: DatabaseState(roles, owner, public, accepted)}

    @contextmanager
    def _administrator(self) -> Iterator[Any]:
        with closing(connect_database(self._server)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor

    def _accepts(self, user: str, password: SecretStr) -> bool:
        try:
            connect_database(
                self._server, username=user, password=password, database=self._desired.name
            ).close()
        except psycopg2.OperationalError:
            return False
        return True

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare; the login must accept the value that is stored, or that is about to be."""
        desired = self._desired
        state = self.seen(observed).get(self._name) or DatabaseState({}, None, public=False, accepted=False)
        login = {"acts_as_owner": True, "member": True, "powers": []}
        wanted = {
            "accepts the stored login": True,
            "database": {"owner": desired.owner, "public may connect": False},
            "roles": {desired.owner: {"login": False, "powers": []}} | dict.fromkeys(desired.logins, login),
        }
        if state.owner is None and not state.roles:
            return [self.create(self._name, "there is no such database", differences({}, wanted))]
        before = {
            "accepts the stored login": state.accepted and not self._value_is_new(observed),
            "database": {"owner": state.owner, "public may connect": state.public},
            "roles": {name: self._shown(name, facts) for name, facts in state.roles.items()},
        }
        return [self.update(self._name, differences(before, wanted))]

    def _value_is_new(self, observed: Observed) -> bool:
        return any(
            change.name == self._desired.secret and change.action != "none"
            for change in self._values.diff(observed)
        )

    def _shown(self, name: str, facts: RoleFacts) -> dict[str, Any]:
        if name == self._desired.owner:
            return {"login": facts.can_login, "powers": list(facts.powers)}
        return {"acts_as_owner": facts.acts_as_owner, "member": facts.member, "powers": list(facts.powers)}

    def apply(self, change: Change, observed: Observed) -> None:  # noqa: ARG002  every statement is harmless to repeat
        """Make what is missing, take away what is too much, set the stored password where it is refused."""
        state = self.observe()[self._name]
        stored = self._values.observe({self._desired.secret}).get(self._desired.secret)
        with self._administrator() as cursor:
            for statement in self._statements(state):
                cursor.execute(statement)
            login = _credentials(stored, self._desired)
            if not state.accepted and login is not None:
                user, password = login
                # Only the verifier travels, so no log or statistics view of the server can hold the password.
                verifier = extensions.encrypt_password(
                    password.get_secret_value(), user, cursor.connection, "scram-sha-256"
                )
                cursor.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(user), sql.Literal(verifier)
                    )
                )

    def _statements(self, state: DatabaseState) -> Iterator[sql.Composed]:
        desired = self._desired
        owner, database = sql.Identifier(desired.owner), sql.Identifier(desired.name)
        for name in (desired.owner, *desired.logins):
            facts = state.roles.get(name)
            if facts is None:
                yield sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name))
                continue
            less = [POWERS[power] for power in facts.powers]
            if name == desired.owner and facts.can_login:
                less.append("NOLOGIN")
            if less:
                yield sql.SQL("ALTER ROLE {} " + " ".join(less)).format(sql.Identifier(name))
        for name in desired.logins:
            yield sql.SQL("GRANT {} TO {}").format(owner, sql.Identifier(name))
        if state.owner is None:
            yield sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner)
        elif state.owner != desired.owner:
            yield sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner)
        yield sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database)
        for name in desired.logins:
            # What one login makes belongs to the owner, so the other can use it after a rotation.
            login = sql.Identifier(name)
            yield sql.SQL("ALTER ROLE {} IN DATABASE {} SET ROLE TO {}").format(login, database, owner)


def _credentials(stored: StoredValue | None, desired: DesiredDatabase) -> tuple[str, SecretStr] | None:
    fields = (stored.fields if stored else None) or {}
    username, password = fields.get("username"), fields.get("password")
    if not isinstance(username, SecretStr) or not isinstance(password, SecretStr):
        return None
    # No other login is ever given a password, whatever the stored value says.
    name = username.get_secret_value()
    return (name, password) if name in desired.logins else None
