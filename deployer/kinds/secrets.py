"""Secrets in Secrets Manager: that they exist, with which key, description and tags.

Their values are another kind, `secret-value`, of a later phase.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.changes import KNOWN_LATER, Action, Change, differences
from deployer.desired import Desired
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.kms import Keys, KeyState


@dataclass(frozen=True, slots=True)
class SecretState:
    """A secret's metadata as it was observed.

    Attributes:
        key: The KMS key as Secrets Manager names it: id, ARN, alias or alias' ARN.
        deletion: Whether it is scheduled for deletion.
    """

    arn: str
    description: str
    key: str
    tags: Mapping[str, str]
    deletion: bool


class Secrets(Kind[SecretState]):
    """The secrets of the desired state, and those that this deployer once made."""

    kind = "secret"

    def __init__(self, desired: Desired, *, keys: Keys, secretsmanager: Any) -> None:  # noqa: ANN401  boto3 client
        super().__init__(desired.secret_store.phase)
        self._desired = desired
        self._keys = keys
        self._client = secretsmanager
        self._wanted = {desired.full_name(secret): secret for secret in desired.secrets}

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, SecretState]:
        """Read all secrets under the prefix: one listing."""
        prefix = self._desired.secret_store.prefix
        pages = self._client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [prefix]}], IncludePlannedDeletion=True
        )
        listed = [each for page in pages for each in page["SecretList"] if each["Name"].startswith(prefix)]
        return {each["Name"]: state_of(each) for each in listed if names is None or each["Name"] in names}

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare each declared secret; one that is ours and no longer declared is to be destroyed."""
        seen, key = self.seen(observed), self._keys.key_in(observed)
        changes = [self._difference(name, seen.get(name), key) for name in self._wanted]
        owner = self._desired.tags.get("ManagedBy")
        for name, state in seen.items():
            ours = owner is not None and state.tags.get("ManagedBy") == owner
            if name not in self._wanted and ours and not state.deletion:
                changes.append(self.destroy(name, "production.toml no longer declares it"))
        return changes

    def _difference(self, name: str, state: SecretState | None, key: KeyState | None) -> Change:
        wanted = {
            "deletion": False,
            "description": self._wanted[name].description,
            "key": key.arn if key else KNOWN_LATER,
            "tags": self._desired.tags,
        }
        if state is None:
            return self.create(name, "there is no such secret", differences({}, wanted))
        before = {
            "deletion": state.deletion,
            "description": state.description,
            "key": key.arn if key and is_key(state.key, key) else state.key,
            "tags": {tag: value for tag, value in state.tags.items() if tag in self._desired.tags},
        }
        return self.update(name, differences(before, wanted))

    def apply(self, change: Change, observed: Observed) -> None:
        """Make, mend or (with a recovery window) delete one secret."""
        name = change.name
        if change.action is Action.DESTROY:
            self._client.delete_secret(
                SecretId=name, RecoveryWindowInDays=self._desired.secret_store.recovery_days
            )
            return
        key = self._keys.key_in(observed)
        arn = key.arn if key else self._desired.key.alias
        state = self.seen(observed).get(name)
        if state is None:
            self._client.create_secret(
                Name=name,
                Description=self._wanted[name].description,
                KmsKeyId=arn,
                Tags=[{"Key": tag, "Value": value} for tag, value in self._desired.tags.items()],
            )
            return
        self._mend(name, state, arn)

    def _mend(self, name: str, state: SecretState, key: str) -> None:
        description = self._wanted[name].description
        if state.deletion:
            self._client.restore_secret(SecretId=name)
        if state.key != key or state.description != description:
            self._client.update_secret(SecretId=name, KmsKeyId=key, Description=description)
        missing = {tag: value for tag, value in self._desired.tags.items() if state.tags.get(tag) != value}
        if missing:
            self._client.tag_resource(
                SecretId=name, Tags=[{"Key": tag, "Value": value} for tag, value in missing.items()]
            )


def state_of(listed: Mapping[str, Any]) -> SecretState:
    """Take over what Secrets Manager lists or describes."""
    return SecretState(
        arn=listed["ARN"],
        description=listed.get("Description", ""),
        key=listed.get("KmsKeyId", "alias/aws/secretsmanager"),
        tags={tag["Key"]: tag["Value"] for tag in listed.get("Tags", [])},
        deletion="DeletedDate" in listed,
    )


def is_key(name: str, key: KeyState) -> bool:
    """Tell whether Secrets Manager means a key by a name."""
    names = {key.key_id, key.arn}
    if key.alias is not None:
        names |= {key.alias, f"{key.arn.rpartition(':')[0]}:{key.alias}"}
    return name in names
