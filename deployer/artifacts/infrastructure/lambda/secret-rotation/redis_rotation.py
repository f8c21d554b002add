"""Rotates the application's password on Redis: its ACL user accepts the last two.

A new password comes beside the current one, and the one before it goes.  Passwords travel
as SHA-256 digests; only a log-in, which Redis does not record, shows one to the server.

Environment variables:
    MASTER_SECRET_ARN: The administrator's secret, with ``username`` and ``password``.
    CACHE_USER: The application's ACL user; ``default`` by default.
    CONNECTION_STRING_TEMPLATE: For example ``redis://:{password}@{host}:{port}/0``.
    SERVER_TLS: ``verify`` (the default) or ``off``.
    TLS_CA_FILE: Certificates to verify the server's by, if not the system's.
    LOCK_SECONDS: How long to wait for another run of this rotation; 30 by default.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from deployer import value_forms
from rotation_errors import BusyError, NotAcceptedError, RefusedError, UnreachableError
from rotation_protocol import Rotation, handle, number_setting, setting
from secret_document import Fields, Version, rendered
from secrets_manager import Description, Secret

PASSWORD_FORM = "base64-256"  # noqa: S105  the name of a form
_TIMEOUT_SECONDS = 5
_POLL_SECONDS = 0.25
# The longest that a function may run: what is held longer is nobody's.
_LONGEST_MILLISECONDS = 900_000
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"
_SAME_PLACE = ("host", "port")


def lambda_handler(event: Any, context: object) -> None:  # noqa: ANN401, ARG001  as Lambda calls it
    """Do one step of a rotation for Secrets Manager."""
    handle(event, RedisRotation)


class RedisRotation(Rotation):
    """Rotates the password of one ACL user."""

    def __init__(self, environment: Mapping[str, str], secret: Secret) -> None:
        self._master = secret.sibling(setting(environment, "MASTER_SECRET_ARN"))
        self._user = setting(environment, "CACHE_USER", "default")
        self._template = setting(environment, "CONNECTION_STRING_TEMPLATE")
        self._tls: dict[str, Any] = {}
        if setting(environment, "SERVER_TLS", "verify") != "off":
            self._tls = {"ssl": True, "ssl_ca_certs": environment.get("TLS_CA_FILE")}
        self._lock_seconds = number_setting(environment, "LOCK_SECONDS", 30)
        self._administrator: Redis | None = None

    @contextmanager
    def alone(self, secret: Secret, description: Description) -> Iterator[None]:
        """Hold a lock that counts only as long as the connection that took it lives."""
        place, master = secret.current(), self._master.current()
        key = f"mita:rotation:{self._user}"
        login = (master.text_of("username"), master.text_of("password"))
        with _explained(place), closing(self._client(place, *login)) as administrator:
            mine = str(administrator.client_id())
            self._lock(administrator, key, mine, description)
            self._administrator = administrator
            try:
                yield
            finally:
                with suppress(RedisError):  # without the connection, the lock counts for nothing
                    administrator.eval(_RELEASE, 1, key, mine)

    def _lock(self, administrator: Redis, key: str, mine: str, description: Description) -> None:
        deadline = time.monotonic() + self._lock_seconds
        while not administrator.set(key, mine, nx=True, px=_LONGEST_MILLISECONDS):
            holder = administrator.get(key)
            if holder is not None and not administrator.client_list(client_id=[holder]):
                administrator.eval(_RELEASE, 1, key, holder)
            elif time.monotonic() >= deadline:
                raise BusyError(
                    description.name,
                    expected="the rotation's lock",
                    seen=f"another run has had it for {self._lock_seconds:g} s",
                    remedy="That run ends within the function's time-out; the rotation can then be retried.",
                )
            else:
                time.sleep(_POLL_SECONDS)

    def create(self, current: Version) -> Fields:
        """Make a new password; all else stays or follows."""
        fields = {**current.fields(), "password": value_forms.invent(PASSWORD_FORM)}
        return {**fields, "connection_string": rendered(self._template, fields)}

    def put_in_place(self, secret: Secret, current: Version, pending: Version) -> None:  # noqa: ARG002
        """Let the user in with the current and the pending password, and no other, in one command."""
        self._check(current, pending)
        administrator = self._connected()
        user: Any = administrator.acl_getuser(self._user)
        if user is None:
            remedy = "Deploy the cache's login first."
            raise RefusedError(
                f"user {self._user}", expected="a user of that name", seen="none", remedy=remedy
            )
        wanted = [_digest(current), _digest(pending)]
        rules = [f"#{each}" for each in wanted]
        rules += [f"!{each}" for each in user["passwords"] if each not in wanted]
        # Not by acl_setuser, which says "on" or "off" as well.
        command: Any = administrator.execute_command
        command("ACL SETUSER", self._user, *rules)
        try:
            administrator.acl_save()
        except ResponseError as error:
            if "ACL file" not in str(error):  # a server without one keeps users in its own way
                raise

    def prove(self, secret: Secret, current: Version, pending: Version) -> None:  # noqa: ARG002
        """Log in with the pending password."""
        self._check(current, pending)
        self._accepted(pending)

    def try_out(self, current: Version) -> None:
        """Log in with the current password."""
        self._check(current, current)
        self._accepted(current)

    def _accepted(self, version: Version) -> None:
        try:
            with closing(self._client(version, self._user, version.text_of("password"))) as client:
                client.ping()
        except AuthenticationError:
            raise NotAcceptedError(
                f"user {self._user}",
                expected="to get in with the password",
                seen="refused",
                remedy="setSecret can be repeated: rotate again.",
            ) from None

    def _check(self, current: Version, pending: Version) -> None:
        fields = pending.fields()
        for name in _SAME_PLACE:
            if fields.get(name) != current.fields().get(name):
                raise pending.invalid(f"the same {name} as in the current version", "another")
        fault = value_forms.fault(PASSWORD_FORM, pending.text_of("password"))
        if fault is not None:
            raise pending.invalid("a password of 256 random bits in base64", fault)
        if fields.get("connection_string") != rendered(self._template, fields):
            raise pending.invalid("connection_string to be made of the other fields", "another")

    def _connected(self) -> Redis:
        if self._administrator is None:
            raise RuntimeError("not within `alone`")
        return self._administrator

    def _client(self, place: Version, username: str, password: str) -> Redis:
        return Redis(
            host=place.text_of("host"),
            port=place.number_of("port"),
            username=username,
            password=password,
            # One connection that is never made anew unseen: the lock goes with it.
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            decode_responses=True,
            protocol=2,
            client_name="mita-rotation",
            **self._tls,
        )


def _digest(version: Version) -> str:
    return hashlib.sha256(version.text_of("password").encode()).hexdigest()


@contextmanager
def _explained(place: Version) -> Iterator[None]:
    """Keep the server's words back, which may repeat a command."""
    try:
        yield
    except RedisError as error:
        raise UnreachableError(
            f"Redis at {place.text_of('host')}:{place.number_of('port')}",
            expected="an answer",
            seen=type(error).__name__,
            remedy="Nothing is lost: rotate again when it answers.",
        ) from None
