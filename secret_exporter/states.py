"""What is known of secrets, as plain data made from answers of AWS and Kubernetes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class SecretState:
    """One secret in Secrets Manager; times are seconds since the epoch.

    Attributes:
        name: Its name below the prefix.
        changed: When the current version was made.
        rotation_enabled: Whether AWS rotates it by itself.
        next_rotation: When it is to change: by AWS' schedule, or by the age that it may reach.
        last_rotation: When AWS rotated it last; None when it never did.
        pending_since: When the version was made that waits to become current; None without one.
    """

    name: str
    changed: float
    rotation_enabled: bool
    next_rotation: float
    last_rotation: float | None
    pending_since: float | None

    @classmethod
    def of(cls, name: str, described: Json, versions: Iterable[Json], *, most_days: float) -> SecretState:
        """Make it from DescribeSecret and ListSecretVersionIds.

        Args:
            name: Its name below the prefix.
            described: The former's answer.
            versions: The latter's.
            most_days: The age at which a secret without a schedule is to be changed.
        """
        created = {stage: v["CreatedDate"] for v in versions for stage in v.get("VersionStages", ())}
        current = {v["VersionId"] for v in versions if "AWSCURRENT" in v.get("VersionStages", ())}
        # AWS leaves the label on the version that has become current; only another one is waiting.
        waiting = [
            v["CreatedDate"]
            for v in versions
            if "AWSPENDING" in v.get("VersionStages", ()) and v["VersionId"] not in current
        ]
        changed = _seconds(created["AWSCURRENT"] if "AWSCURRENT" in created else described["CreatedDate"])
        scheduled = described.get("NextRotationDate")
        rotated = described.get("LastRotatedDate")
        return cls(
            name=name,
            changed=changed,
            rotation_enabled=bool(described.get("RotationEnabled")),
            next_rotation=changed + most_days * _DAY if scheduled is None else _seconds(scheduled),
            last_rotation=None if rotated is None else _seconds(rotated),
            pending_since=_seconds(min(waiting)) if waiting else None,
        )


@dataclass(frozen=True, slots=True)
class KeyState:
    """The key that encrypts them.

    Attributes:
        alias: Its name.
        enabled: Whether it may be used.
        deletion: When it is to be deleted; None when it is not.
    """

    alias: str
    enabled: bool
    deletion: float | None

    @classmethod
    def of(cls, alias: str, described: Json) -> KeyState:
        """Make it from DescribeKey's answer."""
        metadata = described["KeyMetadata"]
        deletion = metadata.get("DeletionDate") if metadata["KeyState"] == "PendingDeletion" else None
        return cls(alias, bool(metadata["Enabled"]), None if deletion is None else _seconds(deletion))


@dataclass(frozen=True, slots=True)
class OperatorObject:
    """An ExternalSecret or a store.

    Attributes:
        kind: Its kind.
        namespace: Its namespace; empty for a ClusterSecretStore.
        name: Its name.
        ready: Whether the operator says so.
        synced: When the operator last carried it over; None when it did not, and for stores.
    """

    kind: str
    namespace: str
    name: str
    ready: bool
    synced: float | None

    @classmethod
    def of(cls, kind: str, item: Json) -> OperatorObject:
        """Make it from the object."""
        status = item.get("status", {})
        ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"]
        refreshed = status.get("refreshTime") if kind == "ExternalSecret" else None
        return cls(
            kind,
            item["metadata"].get("namespace", ""),
            item["metadata"]["name"],
            ready == ["True"],
            None if refreshed is None else datetime.fromisoformat(refreshed).timestamp(),
        )


def unexpected_reads(events: Iterable[Json], *, prefix: str, expected: Collection[str]) -> dict[str, int]:
    """Count reads of secrets, granted or refused, by principals that have no business with them.

    Args:
        events: GetSecretValue events of CloudTrail's LookupEvents.
        prefix: What names of the secrets begin with.
        expected: ARNs of users and roles that may read.

    Returns:
        How often each other principal tried; by its ARN, a role's for its sessions.
    """
    found: Counter[str] = Counter()
    for event in events:
        record = json.loads(event["CloudTrailEvent"])
        asked = str((record.get("requestParameters") or {}).get("secretId", ""))
        # A name, or an ARN that ends in the name and six random characters.
        if not (asked.startswith(prefix) or f":secret:{prefix}" in asked):
            continue
        principal = principal_of(record.get("userIdentity") or {})
        if principal not in expected:
            found[principal] += 1
    return dict(found)


def principal_of(identity: Json) -> str:
    """Return the ARN of who made a call: of the role, when it was a session of one."""
    issuer = (identity.get("sessionContext") or {}).get("sessionIssuer") or {}
    return str(issuer.get("arn") or identity.get("arn") or identity.get("type") or "unknown")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is known at one moment.

    Attributes:
        secrets: Every secret below the prefix.
        key: Their key; None until it has been asked for.
        objects: The operator's objects.
        certificate_end: When the certificate of the operator's webhook ends.
        reads: By principal, how often secrets were read unexpectedly of late.
        sources: By name, whether the last attempt to ask a source succeeded.
        asked: By name, when a source was last asked with success.
    """

    secrets: tuple[SecretState, ...] = ()
    key: KeyState | None = None
    objects: tuple[OperatorObject, ...] = ()
    certificate_end: float | None = None
    reads: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, bool] = field(default_factory=dict)
    asked: Mapping[str, float] = field(default_factory=dict)


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
