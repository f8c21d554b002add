"""Who read secrets, by the audit trails of AWS and of the cluster."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_AWS_READS = {"GetSecretValue", "BatchGetSecretValue"}
_CLUSTER_READS = {"get", "list", "watch"}
_FIRST_ERROR = 300  # HTTP

type Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of a secret that was allowed.

    Attributes:
        reader: Name of the role, user or service account.
        session: Name of the role's session; empty where there is none.
        secret: Name of the secret, or what was asked for of many.
        moment: When, as the record has it.
    """

    reader: str
    session: str
    secret: str
    moment: str

    def __str__(self) -> str:
        session = f" (session {self.session})" if self.session else ""
        return f"{self.reader}{session} read {self.secret} at {self.moment}"


def aws_readings(records: Iterable[Record], prefix: str) -> Iterator[Reading]:
    """Yield the reads of secrets below a prefix.

    Args:
        records: CloudTrail's, as their ``CloudTrailEvent`` holds them.
        prefix: What the secrets' names begin with.
    """
    for record in records:
        if record["eventName"] not in _AWS_READS or "errorCode" in record:
            continue
        reader, session = _aws_reader(record["userIdentity"])
        for name in _secret_names(record):
            if name.startswith(prefix):
                yield Reading(reader, session, name, record["eventTime"])


def _aws_reader(identity: Mapping[str, Any]) -> tuple[str, str]:
    if identity["type"] == "AssumedRole":
        issuer = identity["sessionContext"]["sessionIssuer"]
        return issuer["userName"], identity["arn"].rpartition("/")[2]
    if identity["type"] == "Root":
        return "root", ""
    return str(identity.get("userName") or identity.get("arn") or identity.get("invokedBy") or "nobody"), ""


def _secret_names(record: Record) -> list[str]:
    """Name the secrets by their ARNs, which end in characters of Secrets Manager's own."""
    arns = [each["ARN"] for each in record.get("resources") or ()]
    names = [arn.split(":secret:", 1)[1].rpartition("-")[0] for arn in arns if ":secret:" in arn]
    asked = (record.get("requestParameters") or {}).get("secretId")
    return names or ([str(asked)] if asked else [])


def cluster_readings(records: Iterable[Record], namespace: str) -> Iterator[Reading]:
    """Yield the reads of Secrets in a namespace, or in all at once.

    Args:
        records: Of the API server's audit log.
        namespace: The namespace.
    """
    for record in records:
        about = record.get("objectRef") or {}
        if about.get("resource") != "secrets" or record["verb"] not in _CLUSTER_READS:
            continue
        if about.get("namespace", namespace) != namespace:
            continue
        # A stream that was cut off has no status; it may have shown something before.
        if record.get("responseStatus", {}).get("code", 200) >= _FIRST_ERROR:
            continue
        secret = about.get("name") or "all secrets"
        yield Reading(record["user"]["username"], "", secret, record["stageTimestamp"])


def unexpected(readings: Iterable[Reading], expected: Collection[str]) -> list[Reading]:
    """Return the first read of each reader who is not expected."""
    found: dict[str, Reading] = {}
    for reading in readings:
        if reading.reader not in expected:
            found.setdefault(reading.reader, reading)
    return list(found.values())
