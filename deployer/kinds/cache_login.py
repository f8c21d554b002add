"""Redis' side of the application's login: one ACL user."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from pydantic import SecretStr

from deployer.changes import Change, differences
from deployer.connections import ServerLogin
from deployer.desired import DesiredCache
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.values import Values
from deployer.servers import cache_client


@dataclass(frozen=True, slots=True)
class CacheState:
    """An ACL user as it was observed.

    Attributes:
        on: Whether it can be used at all.
        passwordless: Whether any password, or none, is accepted.
        rules: What it may do, as `ACL SETUSER` takes it.
        accepted: Whether the password of the stored secret is one of its.
    """

    on: bool
    passwordless: bool
    rules: tuple[str, ...]
    accepted: bool


class CacheLogin(Kind[CacheState]):
    """The application's ACL user, which follows what Secrets Manager holds."""

    kind = "cache-login"
    carries_secrets = True

    def __init__(self, desired: DesiredCache, *, server: ServerLogin, values: Values) -> None:
        super().__init__(desired.phase)
        self._desired = desired
        self._server = server
        self._values = values

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, CacheState]:  # noqa: ARG002  only one
        """Ask the server for the user, and compare its passwords' hashes with the stored password's."""
        digest = self._stored_digest()
        with self._administrator() as command:
            answer = command("ACL GETUSER", self._desired.user)
        if answer is None:
            return {}
        user = _user(answer)
        flags = user["flags"]
        rules = " ".join((user["keys"], user["channels"], user["commands"])).split()
        accepted = digest is not None and digest in user["passwords"]
        state = CacheState("on" in flags, "nopass" in flags, tuple(rules), accepted)
        return {self._desired.user: state}

    @contextmanager
    def _administrator(self) -> Iterator[Callable[..., Any]]:
        client = cache_client(
            self._server,
            username=self._server.username,
            password=self._server.password.get_secret_value(),
            decode_responses=True,
            protocol=2,
        )
        client.set_response_callback("ACL GETUSER", lambda answer, **_: answer)
        try:
            yield client.execute_command
        finally:
            client.close()

    def _stored_digest(self) -> str | None:
        stored = self._values.observe({self._desired.secret}).get(self._desired.secret)
        password = (stored.fields or {}).get("password") if stored else None
        if not isinstance(password, SecretStr):
            return None
        return hashlib.sha256(password.get_secret_value().encode()).hexdigest()

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare; the user must accept the value that is stored, or that is about to be."""
        name = self._desired.user
        wanted = {
            "accepts the stored password": True,
            "on": True,
            "passwordless": False,
            "rules": self._desired.rules,
        }
        state = self.seen(observed).get(name)
        if state is None:
            return [self.create(name, "there is no such user", differences({}, wanted))]
        new = any(c.name == self._desired.secret and c.action != "none" for c in self._values.diff(observed))
        before = {
            "accepts the stored password": state.accepted and not new,
            "on": state.on,
            "passwordless": state.passwordless,
            "rules": state.rules,
        }
        return [self.update(name, differences(before, wanted))]

    def apply(self, change: Change, observed: Observed) -> None:  # noqa: ARG002  the command says all there is
        """Set the user in one command; passwords are kept where the stored one is among them."""
        state = self.observe().get(self._desired.user)
        digest = self._stored_digest()
        rules = ["on", "resetkeys", "resetchannels", "-@all", *self._desired.rules]
        if digest is not None and (state is None or not state.accepted or state.passwordless):
            rules += ["resetpass", f"#{digest}"]  # the hash travels, not the password
        with self._administrator() as command:
            command("ACL SETUSER", self._desired.user, *rules)
            try:
                command("ACL SAVE")
            except redis.ResponseError as error:
                if "ACL file" not in str(error):  # a server without one keeps users in its own way
                    raise


def _user(answer: Any) -> dict[str, Any]:  # noqa: ANN401  a list of names and values, one after the other
    return dict(zip(answer[::2], answer[1::2], strict=True))
