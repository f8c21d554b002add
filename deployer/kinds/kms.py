"""The KMS key behind the secrets: alias, rotation, tags and key policy."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.changes import ABSENT, Action, Change, Difference, differences, plain
from deployer.desired import DesiredKey
from deployer.kinds.kind import Kind, Observed
from deployer.policies import Document, document, normal

SPEC = "SYMMETRIC_DEFAULT"
USAGE = "ENCRYPT_DECRYPT"
ALIAS_TAG = "Alias"  # tells whose key it is when the alias is gone


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key as it was observed.

    Attributes:
        state: AWS' key state, `Enabled` when it works.
        fixed: Spec, usage and manager, which cannot be changed.
        rotation_days: Period of the automatic rotation; None when it is off.
        alias: The alias, when it points here.
    """

    key_id: str
    arn: str
    state: str
    fixed: Mapping[str, str]
    description: str
    rotation_days: int | None
    tags: Mapping[str, str]
    policy: Document
    alias: str | None


class Keys(Kind[KeyState]):
    """The one key of the desired state."""

    kind = "kms-key"

    def __init__(self, desired: DesiredKey, *, tags: Mapping[str, str], account: str, kms: Any) -> None:  # noqa: ANN401  boto3 client
        super().__init__(desired.phase)
        self._desired = desired
        self._tags = {**tags, ALIAS_TAG: desired.alias.removeprefix("alias/")}
        self._account = account
        self._kms = kms

    def key_in(self, observed: Observed) -> KeyState | None:
        """Return the key that secrets can be encrypted with, if one was there that will stay."""
        key = self.seen(observed).get(self._desired.alias)
        return key if key is not None and key.fixed == self._fixed else None

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, KeyState]:  # noqa: ARG002  there is only one
        """Read the key: five calls at most, unless its alias is gone and it is searched for by its tag."""
        alias: str | None = self._desired.alias
        try:
            metadata = self._kms.describe_key(KeyId=alias)["KeyMetadata"]
        except self._kms.exceptions.NotFoundException:
            alias = None
            metadata = self._without_alias()
        if metadata is None:
            return {}
        return {self._desired.alias: self._state(metadata, alias)}

    def _without_alias(self) -> dict[str, Any] | None:
        found = []
        for page in self._kms.get_paginator("list_keys").paginate():
            for key in page["Keys"]:
                metadata = self._kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
                if metadata["KeyManager"] == "CUSTOMER" and self._is_ours(key["KeyId"]):
                    found.append(metadata)
        return min(found, key=lambda key: (not key["Enabled"], key["CreationDate"]), default=None)

    def _is_ours(self, key_id: str) -> bool:
        return self._tags_of(key_id).get(ALIAS_TAG) == self._tags[ALIAS_TAG]

    def _tags_of(self, key_id: str) -> dict[str, str]:
        pages = self._kms.get_paginator("list_resource_tags").paginate(KeyId=key_id)
        return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}

    def _state(self, metadata: Mapping[str, Any], alias: str | None) -> KeyState:
        key_id = metadata["KeyId"]
        fixed = {
            "spec": metadata["KeySpec"],
            "usage": metadata["KeyUsage"],
            "manager": metadata["KeyManager"],
        }
        rotation = {}
        if fixed == self._fixed:  # other keys cannot rotate, and asking is an error
            rotation = self._kms.get_key_rotation_status(KeyId=key_id)
        on = rotation.get("KeyRotationEnabled", False)
        return KeyState(
            key_id=key_id,
            arn=metadata["Arn"],
            state=metadata["KeyState"],
            fixed=fixed,
            description=metadata.get("Description", ""),
            rotation_days=rotation.get("RotationPeriodInDays", 365) if on else None,
            tags=self._tags_of(key_id),
            policy=normal(self._kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]),
            alias=alias,
        )

    @property
    def _fixed(self) -> dict[str, str]:
        return {"spec": SPEC, "usage": USAGE, "manager": "CUSTOMER"}

    @property
    def _policy(self) -> Document:
        principals = {"account": f"arn:aws:iam::{self._account}:root"}
        return document(
            {
                "Sid": each.sid,
                "Effect": "Allow",
                "Principal": {"AWS": [principals.get(name, name) for name in each.principals]},
                "Action": list(each.actions),
                "Resource": list(each.resources),
            }
            for each in self._desired.policy
        )

    def _wanted(self) -> dict[str, Any]:
        return {
            "alias": self._desired.alias,
            "description": self._desired.description,
            "policy": self._policy,
            "rotation_days": self._desired.rotation_days,
            "state": "Enabled",
            "tags": self._tags,
        }

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare the key with the desired one; tags of others are left alone."""
        name = self._desired.alias
        key = self.seen(observed).get(name)
        if key is None:
            return [self.create(name, "there is no such key", differences({}, self._wanted()))]
        fixed = differences(key.fixed, self._fixed)
        if fixed:
            return [self.replace(name, "a key cannot change its " + _paths(fixed), fixed)]
        before = {each: getattr(key, each) for each in self._wanted()}
        before["tags"] = {tag: value for tag, value in key.tags.items() if tag in self._tags}
        return [self.update(name, differences(before, self._wanted()))]

    def apply(self, change: Change, observed: Observed) -> None:
        """Make the key where there is none of its kind, then mend what differs."""
        key = self.seen(observed).get(change.name)
        if key is None or change.action is Action.REPLACE:
            key = self._make(replaced=key)
        self._mend(key)

    def _make(self, replaced: KeyState | None) -> KeyState:
        tags = [{"TagKey": tag, "TagValue": value} for tag, value in self._tags.items()]
        metadata = self._kms.create_key(
            KeySpec=SPEC,
            KeyUsage=USAGE,
            Description=self._desired.description,
            Policy=json.dumps(plain(self._policy)),
            Tags=tags,
        )["KeyMetadata"]
        key = self._state(metadata, None)
        if replaced is not None and replaced.alias is not None:
            self._kms.update_alias(AliasName=replaced.alias, TargetKeyId=key.key_id)
            return self._state(metadata, replaced.alias)
        return key

    def _mend(self, key: KeyState) -> None:
        key_id = key.key_id
        if key.state == "PendingDeletion":
            self._kms.cancel_key_deletion(KeyId=key_id)
        if key.state != "Enabled":
            self._kms.enable_key(KeyId=key_id)
        if key.alias is None:
            self._kms.create_alias(AliasName=self._desired.alias, TargetKeyId=key_id)
        if key.description != self._desired.description:
            self._kms.update_key_description(KeyId=key_id, Description=self._desired.description)
        if key.rotation_days != self._desired.rotation_days:
            self._kms.enable_key_rotation(KeyId=key_id, RotationPeriodInDays=self._desired.rotation_days)
        if key.policy != self._policy:
            self._kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(self._policy))
        missing = [{"TagKey": t, "TagValue": v} for t, v in self._tags.items() if key.tags.get(t) != v]
        if missing:
            self._kms.tag_resource(KeyId=key_id, Tags=missing)


def _paths(found: Sequence[Difference]) -> str:
    return ", ".join(f"{each.path} ({each.before})" for each in found if each.before != ABSENT)
