"""Secrets with the servers' administrators' logins, for the rotation functions alone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from deployer.changes import ABSENT, HIDDEN, KNOWN_LATER, Change, Difference, differences
from deployer.connections import ServerLogin
from deployer.desired import Desired
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.kms import Keys
from deployer.kinds.secrets import SecretState, is_key, state_of
from deployer.kinds.values import OnSecret
from deployer.shapes import parse


@dataclass(frozen=True, slots=True)
class AdministratorState:
    """A secret as it was observed; None stands for a login that is not there or cannot be read."""

    secret: SecretState
    username: str | None
    password: SecretStr | None


class Administrators(Kind[AdministratorState]):
    """One secret for each server whose administrator the functions need, by the server's name.

    Args:
        logins: The logins that the connections know; where they know none, the value is the
            operator's to store, as an object with `username` and `password`.
    """

    kind = "administrator-secret"
    carries_secrets = True

    def __init__(
        self,
        desired: Desired,
        *,
        logins: Mapping[str, ServerLogin],
        keys: Keys,
        on_secret: OnSecret,
        secretsmanager: Any,  # noqa: ANN401  boto3 client
    ) -> None:
        super().__init__(desired.rotation.phase)
        self._desired = desired
        self._names = sorted(set(desired.rotation.administrators()))
        self._logins = logins
        self._keys = keys
        self._on_secret = on_secret
        self._client = secretsmanager

    def _full_name(self, name: str) -> str:
        return self._desired.secret_store.administrators_prefix + name

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, AdministratorState]:
        """Read each secret and its value."""
        found = {}
        for name in self._names if names is None else names:
            try:
                described = self._client.describe_secret(SecretId=self._full_name(name))
            except self._client.exceptions.ResourceNotFoundException:
                continue
            fields = {} if "DeletedDate" in described else self._value(name)
            username, password = fields.get("username"), fields.get("password")
            found[name] = AdministratorState(
                state_of(described),
                username.get_secret_value() if isinstance(username, SecretStr) else None,
                password if isinstance(password, SecretStr) else None,
            )
        return found

    def _value(self, name: str) -> Mapping[str, SecretStr | int]:
        try:
            answer = self._client.get_secret_value(SecretId=self._full_name(name))
        except self._client.exceptions.ResourceNotFoundException:
            return {}
        fields = parse(answer.get("SecretString", "")) or {}
        if isinstance(password := fields.get("password"), SecretStr):
            self._on_secret(f"administrator of the {name}.password", password)
        return fields

    def arn_in(self, name: str, observed: Observed) -> str:
        """Return a secret's ARN, or that it is known later."""
        state = self.seen(observed).get(name)
        return state.secret.arn if state else KNOWN_LATER

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare metadata, and the login where the connections know it."""
        return [self._difference(name, self.seen(observed).get(name), observed) for name in self._names]

    def _difference(self, name: str, state: AdministratorState | None, observed: Observed) -> Change:
        key = self._keys.key_in(observed)
        wanted = {
            "deletion": False,
            "description": _description(name),
            "key": key.arn if key else KNOWN_LATER,
            "tags": self._desired.tags,
        }
        if state is None:
            return self.create(name, "there is no such secret", differences({}, wanted))
        secret, tags = state.secret, self._desired.tags
        before = {
            "deletion": secret.deletion,
            "description": secret.description,
            "key": key.arn if key and is_key(secret.key, key) else secret.key,
            "tags": {tag: value for tag, value in secret.tags.items() if tag in tags},
        }
        return self.update(name, (*differences(before, wanted), *self._login_differences(name, state)))

    def _login_differences(self, name: str, state: AdministratorState) -> list[Difference]:
        login = self._logins.get(name)
        if login is None:
            return []
        found = []
        if state.username != login.username:
            found.append(Difference("username", state.username or ABSENT, login.username))
        if state.password != login.password:
            found.append(Difference("password", HIDDEN if state.password else ABSENT, HIDDEN))
        return found

    def apply(self, change: Change, observed: Observed) -> None:
        """Make or mend one secret, then store the login where it is another."""
        name, state = change.name, self.seen(observed).get(change.name)
        full, key = self._full_name(name), self._keys.key_in(observed)
        arn = key.arn if key else self._desired.key.alias
        tags = [{"Key": tag, "Value": value} for tag, value in self._desired.tags.items()]
        if state is None:
            self._client.create_secret(Name=full, Description=_description(name), KmsKeyId=arn, Tags=tags)
        else:
            if state.secret.deletion:
                self._client.restore_secret(SecretId=full)
            self._client.update_secret(SecretId=full, KmsKeyId=arn, Description=_description(name))
            self._client.tag_resource(SecretId=full, Tags=tags)
        login = self._logins.get(name)
        if login is None or (state is not None and not self._login_differences(name, state)):
            return
        self._on_secret(f"administrator of the {name}.password", login.password)
        value = {"username": login.username, "password": login.password.get_secret_value()}
        self._client.put_secret_value(
            SecretId=full, ClientRequestToken=secrets.token_hex(16), SecretString=json.dumps(value)
        )

    def waiting(self) -> str | None:
        """Say whose login is still to be stored by the operator."""
        lacking = [name for name, state in self.observe().items() if not state.username or not state.password]
        if not lacking:
            return None
        names = ", ".join(self._full_name(name) for name in lacking)
        return f"store an object with username and password in {names}"


def _description(name: str) -> str:
    return f"Administrator's login on MITA's {name}, for rotation only"
