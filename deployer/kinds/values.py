"""The values of the secrets: generated, supplied and derived, and never overwritten unless told."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from pydantic import SecretStr

from deployer.changes import ABSENT, Action, Change, Difference
from deployer.desired import Desired
from deployer.desired_secrets import DesiredSecret
from deployer.errors import ConfigurationError
from deployer.kinds.kind import Kind, Observed
from deployer.secret_forms import invent
from deployer.shapes import Facts, Fields, Finding, Severity, compose, findings, missing, parse, serialise
from deployer.supplied import Supplied, how_to_give

OnSecret = Callable[[str, SecretStr], None]
"""Told of every secret value when it is born or read: its name, and the value."""


def forget(_name: str, _value: SecretStr) -> None:
    """Take no note of a secret value."""


BATCH = 20  # secrets that BatchGetSecretValue takes at once


@dataclass(frozen=True, slots=True)
class StoredValue:
    """The current value of a secret.

    Attributes:
        version: Id of the version that is AWSCURRENT; it changes whenever the value does.
        fields: The value's fields; None when it is no JSON object.
        unreadable: Why it could not be read, such as a key that is disabled.
    """

    version: str
    fields: Fields | None = None
    unreadable: str | None = None


class Values(Kind[StoredValue]):
    """The current values of all secrets, by their names below the prefix."""

    kind = "secret-value"
    carries_secrets = True

    def __init__(
        self,
        desired: Desired,
        *,
        facts: Facts,
        supplied: Supplied,
        replace: Collection[str],
        on_secret: OnSecret,
        secretsmanager: Any,  # noqa: ANN401  boto3 client
    ) -> None:
        super().__init__(desired.secret_store.population_phase)
        self._desired = desired
        self._secrets = {secret.name: secret for secret in desired.secrets}
        self._facts = facts
        self._supplied = supplied
        self._to_replace = {desired.secret(name).name for name in replace}
        self._on_secret = on_secret
        self._client = secretsmanager

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, StoredValue]:
        """Read the current values: one listing, and one call for every twenty."""
        prefix = self._desired.secret_store.prefix
        pages = self._client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [prefix]}]
        )
        listed = (each for page in pages for each in page["SecretList"])
        wanted = [each["Name"] for each in listed if self._is_wanted(each, names)]
        found: dict[str, StoredValue] = {}
        for batch in batched(wanted, BATCH):
            answer = self._client.batch_get_secret_value(SecretIdList=list(batch))
            for each in answer["SecretValues"]:
                found[each["Name"].removeprefix(prefix)] = self._stored(each)
            for each in answer.get("Errors", []):
                name = self._desired.secret(each["SecretId"]).name
                found[name] = StoredValue("", unreadable=each.get("ErrorCode", "no reason given"))
        return found

    def _is_wanted(self, listed: Mapping[str, Any], names: Collection[str] | None) -> bool:
        prefix = self._desired.secret_store.prefix
        name = listed["Name"].removeprefix(prefix)
        if not listed["Name"].startswith(prefix) or name not in self._secrets:
            return False
        stages = {stage for each in listed.get("SecretVersionsToStages", {}).values() for stage in each}
        return "AWSCURRENT" in stages and (names is None or name in names)

    def _stored(self, answer: Mapping[str, Any]) -> StoredValue:
        name = answer["Name"].removeprefix(self._desired.secret_store.prefix)
        fields = parse(answer.get("SecretString", ""))
        self._register(name, fields or {})
        return StoredValue(answer["VersionId"], fields)

    def _register(self, name: str, fields: Fields) -> None:
        for field in self._secrets[name].confidential():
            value = fields.get(field)
            if isinstance(value, SecretStr):
                self._on_secret(f"{name}.{field}", value)

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare each value with its shape; a value that would have to give way is a replacement."""
        seen = self.seen(observed)
        repeated = self._repeated(seen)
        return [self._difference(each, seen.get(each.name), repeated) for each in self._secrets.values()]

    def _difference(
        self, secret: DesiredSecret, stored: StoredValue | None, repeated: Collection[str]
    ) -> Change:
        name = secret.name
        if stored is None:
            details = [Difference(each, ABSENT, _origin(secret, each)) for each in secret.fields]
            return self.create(name, "it has no value yet", details)
        if name in self._to_replace:
            return self.replace(name, "asked for by name")
        if stored.unreadable is not None:
            return self.update(name, (), f"cannot be read: {stored.unreadable}")
        if stored.fields is None:
            return self.replace(name, "its value is no JSON object of texts and numbers")
        found = findings(secret, stored.fields, self._facts)
        found += [
            Finding(each, "the value of another secret", Severity.REPLACE) for each in _fields(name, repeated)
        ]
        details = [Difference(each.field, each.seen, _origin(secret, each.field)) for each in found]
        lost = [each for each in found if each.severity is Severity.REPLACE]
        if lost:
            return self.replace(name, "; ".join(f"{each.field} is {each.seen}" for each in lost), details)
        return self.update(name, details)

    def _repeated(self, seen: Mapping[str, StoredValue]) -> set[str]:
        """Name the generated fields, as `secret.field`, whose value an earlier one has already."""
        met: set[str] = set()
        repeated: set[str] = set()
        for secret in self._secrets.values():
            stored = seen.get(secret.name)
            for name, field in secret.fields.items():
                value = (stored.fields or {}).get(name) if stored and field.generate else None
                if not isinstance(value, SecretStr):
                    continue
                if value.get_secret_value() in met:
                    repeated.add(f"{secret.name}.{name}")
                met.add(value.get_secret_value())
        return repeated

    def require_supplied(self, changes: Collection[Change], observed: Observed) -> None:
        """Refuse to begin while a value that only the operator can give is missing.

        Raises:
            ConfigurationError: It names every missing field and how to give it.
        """
        lacking = []
        for change in changes:
            if change.kind == self.kind and change.action is not Action.NONE:
                secret = self._secrets[change.name]
                kept = self._kept(secret, self.seen(observed).get(secret.name), change)
                for field in missing(secret, kept=kept, facts=self._facts, supplied=self._given(secret)):
                    how = how_to_give(secret.name, field, secret.fields[field])
                    lacking.append(f"{secret.name} needs {how}")
        if lacking:
            raise ConfigurationError(
                "secret values",
                expected="every value that cannot be generated",
                seen=f"{len(lacking)} missing",
                remedy="Give them: " + "; ".join(lacking) + ".",
            )

    def _given(self, secret: DesiredSecret) -> dict[str, SecretStr]:
        return {field: value for (name, field), value in self._supplied.items() if name == secret.name}

    def _kept(self, secret: DesiredSecret, stored: StoredValue | None, change: Change) -> Fields:
        """Return the stored fields that stay: those that are right; on a replacement none that is secret."""
        if stored is None or stored.fields is None:
            return {}
        wrong = {each.field for each in findings(secret, stored.fields, self._facts)}
        if change.action is Action.REPLACE:
            wrong |= {name for name, field in secret.fields.items() if field.form or field.timestamp}
        return {name: value for name, value in stored.fields.items() if name not in wrong}

    def apply(self, change: Change, observed: Observed) -> None:
        """Store one value."""
        secret = self._secrets[change.name]
        stored = self.seen(observed).get(secret.name)
        if stored is not None and stored.unreadable is not None:
            # What was in the way has been mended before this; if the value is wrong, the next plan says so.
            return
        fields = compose(
            secret,
            kept=self._kept(secret, stored, change),
            facts=self._facts,
            supplied=self._given(secret),
            invent=invent,
        )
        self._register(secret.name, fields)
        self._client.put_secret_value(
            SecretId=self._desired.full_name(secret),
            ClientRequestToken=secrets.token_hex(16),
            SecretString=serialise(fields).get_secret_value(),
        )
        self._to_replace.discard(secret.name)


def _fields(name: str, repeated: Collection[str]) -> list[str]:
    return [each.removeprefix(f"{name}.") for each in repeated if each.startswith(f"{name}.")]


def _origin(secret: DesiredSecret, name: str) -> str:
    field = secret.fields[name]
    if field.generate is not None:
        return "generated here, 256 bits"
    if field.supply is not None:
        return "supplied by the operator"
    if field.source is not None:
        return f"{field.source} of the connections"
    if field.template is not None:
        return "made of its parts"
    return field.constant or "the time of population"
