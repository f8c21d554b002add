"""Rotates the application's login on PostgreSQL: two logins take turns.

The idle login gets a new password and becomes the current one; the other goes on working
until the next rotation, so nobody is cut off.  A password is never changed while sessions
of its login are open, and travels as a SCRAM verifier only.

Environment variables:
    MASTER_SECRET_ARN: The administrator's secret, with ``username`` and ``password``.
    LOGINS: The two logins, with a comma between them.
    CONNECTION_STRING_TEMPLATE: For example ``postgresql://{username}:{password}@{host}:{port}/{database}``.
    SERVER_TLS: ``verify`` (the default) or ``off``.
    TLS_CA_FILE: Certificates to verify the server's by, if not the system's.
    DRAIN_SECONDS: How long to wait for open sessions to end; 10 by default.
    LOCK_SECONDS: How long to wait for another run of this rotation; 30 by default.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection, identifier, literal

from deployer import value_forms
from rotation_errors import (
    BusyError,
    ConfigurationError,
    NotAcceptedError,
    RefusedError,
    SessionsOpenError,
    UnreachableError,
)
from rotation_protocol import Rotation, handle, number_setting, setting
from secret_document import Fields, Version, rendered
from secrets_manager import Description, Secret

PASSWORD_FORM = "base64-256"  # noqa: S105  the name of a form
_TIMEOUT_SECONDS = 5
_POLL_SECONDS = 0.25
_SCRAM_ITERATIONS = 4096  # PostgreSQL's own default, and RFC 7677's minimum
_REFUSED_LOGIN = ("error 28P01", "error 28000")  # wrong password; not allowed to log in
_LOCK_NOT_AVAILABLE = "error 55P03"
_SAME_PLACE = ("host", "port", "database")
_ERRORS = (DatabaseError, InterfaceError, OSError)


def lambda_handler(event: Any, context: object) -> None:  # noqa: ANN401, ARG001  as Lambda calls it
    """Do one step of a rotation for Secrets Manager."""
    handle(event, DatabaseRotation)


class DatabaseRotation(Rotation):
    """Rotates one login by means of another."""

    def __init__(self, environment: Mapping[str, str], secret: Secret) -> None:
        self._master = secret.sibling(setting(environment, "MASTER_SECRET_ARN"))
        self._logins = [each.strip() for each in setting(environment, "LOGINS").split(",")]
        if len(set(self._logins)) != 2 or not all(self._logins):  # noqa: PLR2004  they take turns
            remedy = "Name both logins, for example LOGINS=mita_app,mita_app_clone."
            raise ConfigurationError("LOGINS", expected="two logins", seen="another number", remedy=remedy)
        self._template = setting(environment, "CONNECTION_STRING_TEMPLATE")
        self._tls = _tls(environment)
        self._drain_seconds = number_setting(environment, "DRAIN_SECONDS", 10)
        self._lock_seconds = number_setting(environment, "LOCK_SECONDS", 30)
        self._administrator: Connection | None = None
        self._place: Version | None = None

    @contextmanager
    def alone(self, secret: Secret, description: Description) -> Iterator[None]:
        """Hold a lock of the server's, which ends with the connection at the latest."""
        key = int.from_bytes(hashlib.sha256(description.name.encode()).digest()[:8], "big", signed=True)
        self._place = secret.current()
        with _closed_at_the_end(self._connect_administrator(self._place)) as administrator:
            try:
                administrator.run(f"SET lock_timeout = {max(1, round(self._lock_seconds * 1000))}")
                administrator.run("SELECT pg_advisory_lock(:key)", key=key)
            except _ERRORS as error:
                if _code(error) != _LOCK_NOT_AVAILABLE:
                    raise _unreachable(self._place, _code(error)) from None
                raise BusyError(
                    description.name,
                    expected="the rotation's lock",
                    seen=f"another run has had it for {self._lock_seconds:g} s",
                    remedy="That run ends within the function's time-out; the rotation can then be retried.",
                ) from None
            self._administrator = administrator
            yield

    def create(self, current: Version) -> Fields:
        """Make a new password for the other login; all else stays or follows."""
        fields = current.fields()
        fields["username"] = self._other(current)
        fields["password"] = value_forms.invent(PASSWORD_FORM)
        fields["connection_string"] = rendered(self._template, fields)
        return fields

    def put_in_place(self, secret: Secret, current: Version, pending: Version) -> None:  # noqa: ARG002
        """Let the idle login in with the new password, once nobody uses it any more."""
        login = self._checked(current, pending)
        if self._refusal(pending) is None:
            return
        self._drain(login)
        verifier = scram_verifier(pending.text_of("password"))
        self._run(f"ALTER ROLE {identifier(login)} LOGIN PASSWORD {literal(verifier)}")

    def prove(self, secret: Secret, current: Version, pending: Version) -> None:  # noqa: ARG002
        """Log in with the pending value and read."""
        self._checked(current, pending)
        self._accepted(pending)

    def try_out(self, current: Version) -> None:
        """Log in with the current value and read."""
        self._other(current)
        self._accepted(current)

    def _accepted(self, version: Version) -> None:
        refusal = self._refusal(version)
        if refusal is not None:
            remedy = "setSecret can be repeated: rotate again."
            login = version.text_of("username")
            raise NotAcceptedError(
                f"login {login}", expected="to get in and read", seen=refusal, remedy=remedy
            )

    def _other(self, current: Version) -> str:
        login = current.text_of("username")
        if login not in self._logins:
            raise current.invalid(f"username to be one of {', '.join(self._logins)}", "another")
        return next(each for each in self._logins if each != login)

    def _checked(self, current: Version, pending: Version) -> str:
        """Return the pending login, if the pending version is for the same server and all is in it."""
        login, fields = self._other(current), pending.fields()
        if pending.text_of("username") != login:
            raise pending.invalid(f"username to be {login}, the idle login", "another")
        for name in _SAME_PLACE:
            if fields.get(name) != current.fields().get(name):
                raise pending.invalid(f"the same {name} as in the current version", "another")
        fault = value_forms.fault(PASSWORD_FORM, pending.text_of("password"))
        if fault is not None:
            raise pending.invalid("a password of 256 random bits in base64", fault)
        if fields.get("connection_string") != rendered(self._template, fields):
            raise pending.invalid("connection_string to be made of the other fields", "another")
        return login

    def _drain(self, login: str) -> None:
        deadline = time.monotonic() + self._drain_seconds
        while True:
            # NULL when there is no such role.
            [[there, count]] = self._run(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :login),"
                " (SELECT count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid"
                " WHERE r.rolname = :login)",
                login=login,
            )
            if not there:
                remedy = "Deploy the database's logins first."
                raise RefusedError(
                    f"login {login}", expected="a role of that name", seen="none", remedy=remedy
                )
            if count == 0:
                return
            if time.monotonic() >= deadline:
                raise SessionsOpenError(
                    f"login {login}",
                    expected="no session, because its password is to change",
                    seen=f"{count} open for {self._drain_seconds:g} s",
                    remedy="Rotate again when every client has gone over to the current login.",
                )
            time.sleep(_POLL_SECONDS)

    def _refusal(self, version: Version) -> str | None:
        """Say why a version's login does not get in; None when it does, and may act as the owner."""
        try:
            login = self._connect(version, version.text_of("username"), version.text_of("password"))
            with _closed_at_the_end(login) as one:
                [[owner]] = one.run(
                    "SELECT pg_has_role(datdba, 'MEMBER') FROM pg_database WHERE datname = current_database()"
                )
        except _ERRORS as error:
            if _code(error) not in _REFUSED_LOGIN:
                raise _unreachable(version, _code(error)) from None
            return f"refused ({_code(error)})"
        return None if owner else "no member of the database's owner"

    def _connect_administrator(self, place: Version) -> Connection:
        master = self._master.current()
        host = master.fields().get("host")
        if host not in (None, place.text_of("host")):
            raise master.invalid(f"the same host as {place.secret}, or none", "another")
        try:
            return self._connect(place, master.text_of("username"), master.text_of("password"))
        except DatabaseError as error:
            raise _unreachable(place, f"the administrator is refused ({_code(error)})") from None

    def _connect(self, place: Version, username: str, password: str) -> Connection:
        try:
            return Connection(
                username,
                password=password,
                host=place.text_of("host"),
                port=place.number_of("port"),
                database=place.text_of("database"),
                timeout=_TIMEOUT_SECONDS,
                ssl_context=self._tls,
                application_name="mita-rotation",
            )
        except (InterfaceError, OSError) as error:
            raise _unreachable(place, type(error).__name__) from None

    def _run(self, statement: str, **parameters: object) -> Any:  # noqa: ANN401  rows of any types
        if self._administrator is None or self._place is None:
            raise RuntimeError("not within `alone`")
        try:
            return self._administrator.run(statement, **parameters)
        except _ERRORS as error:
            raise _unreachable(self._place, _code(error)) from None


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL keeps of a password (RFC 5803's form), so that only this needs to travel.

    Args:
        password: ASCII, for which SASLprep changes nothing.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(each).decode() for each in (salt, stored, server))
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext | Literal[False]:
    if setting(environment, "SERVER_TLS", "verify") == "off":
        return False  # None would mean: try it, and go on in clear text
    return ssl.create_default_context(cafile=environment.get("TLS_CA_FILE"))


@contextmanager
def _closed_at_the_end(connection: Connection) -> Iterator[Connection]:
    try:
        yield connection
    finally:
        with suppress(InterfaceError, OSError):  # the server may have closed it
            connection.close()


def _code(error: Exception) -> str:
    """Return the SQLSTATE of an error, or its type; its text stays with the server."""
    fields = error.args[0] if error.args else None
    return f"error {fields.get('C')}" if isinstance(fields, dict) else type(error).__name__


def _unreachable(place: Version, seen: str) -> UnreachableError:
    subject = f"PostgreSQL at {place.text_of('host')}:{place.number_of('port')}"
    remedy = "Nothing is lost: rotate again when it answers."
    return UnreachableError(subject, expected="an answer", seen=seen, remedy=remedy)
