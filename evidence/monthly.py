"""The monthly report: rotations and readers, from the audit trail and the secrets themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from deployer.connections import Connections
from deployer.desired import Desired
from evidence.readers import aws_readings
from evidence.trail import records

_READ = "GetSecretValue"
_SUCCEEDED, _FAILED = "RotationSucceeded", "RotationFailed"

Json = dict[str, Any]


class SecretMonth(BaseModel):
    """What a month brought one secret.

    Attributes:
        name: Below the prefix.
        rotated: How often it was rotated.
        failed: How many rotations failed.
        changed: When its current value was made.
        due: When it is rotated next; None where nothing rotates it by schedule.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    rotated: int
    failed: int
    changed: datetime
    due: datetime | None


class ReaderMonth(BaseModel):
    """Who read values.

    Attributes:
        name: Role or user, as the trail has it.
        reads: How many values.
        expected: Whether it is a role of the system that is meant to.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    reads: int
    expected: bool


class Month(BaseModel):
    """A stretch of time, usually a month.

    Attributes:
        account: AWS account id.
        since: Its beginning.
        until: Its end.
        secrets: Every declared secret.
        readers: Everybody who read one.
    """

    model_config = ConfigDict(frozen=True)

    account: str
    since: datetime
    until: datetime
    secrets: tuple[SecretMonth, ...]
    readers: tuple[ReaderMonth, ...]

    @property
    def attention(self) -> tuple[str, ...]:
        """What somebody has to look at."""
        return (
            *(f"{each.failed} rotations of {each.name} failed." for each in self.secrets if each.failed),
            *(
                f"{each.name} was due on {each.due:%d %B %Y}."
                for each in self.secrets
                if each.due is not None and each.due < self.until
            ),
            *(
                f"{each.name} read {each.reads} values and is no role of the system."
                for each in self.readers
                if not each.expected
            ),
        )


def gather(connections: Connections, desired: Desired, since: datetime, until: datetime) -> Month:
    """Read the audit trail and the secrets; no value is asked for."""
    trail, manager = connections.aws("cloudtrail"), connections.aws("secretsmanager")
    prefix = desired.secret_store.prefix
    rotated, failed = (_by_secret(records(trail, name, since, until)) for name in (_SUCCEEDED, _FAILED))
    reads = Counter(reading.reader for reading in aws_readings(records(trail, _READ, since, until), prefix))
    meant = {role.name for role in desired.roles if role.allows(f"secretsmanager:{_READ}")}
    secrets = []
    for secret in desired.secrets:
        described = manager.describe_secret(SecretId=prefix + secret.name)
        secrets.append(
            SecretMonth(
                name=secret.name,
                rotated=rotated[described["ARN"]],
                failed=failed[described["ARN"]],
                changed=described["LastChangedDate"],
                due=described.get("NextRotationDate"),
            )
        )
    readers = [
        ReaderMonth(name=name, reads=count, expected=name in meant) for name, count in reads.most_common()
    ]
    return Month(
        account=connections.account, since=since, until=until, secrets=tuple(secrets), readers=tuple(readers)
    )


def _by_secret(records: Iterable[Mapping[str, Any]]) -> Counter[str]:
    return Counter(
        str(each["ARN"]) for record in records for each in record.get("resources") or () if "ARN" in each
    )


def markdown(month: Month) -> str:
    """Write it for people."""
    lines = [
        "# Secret management, monthly report",
        "",
        f"Account {month.account}, from {month.since:%d %B %Y} to {month.until:%d %B %Y}.",
        "",
        "## What needs attention",
        "",
        *(f"- {each}" for each in month.attention or ("Nothing.",)),
        "",
        "## Rotations",
        "",
        "| secret | rotated | failed | current value from | next rotation |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {each.name} | {each.rotated} | {each.failed} | {each.changed:%d %B %Y} |"
            f" {'not by schedule' if each.due is None else f'{each.due:%d %B %Y}'} |"
            for each in month.secrets
        ),
        "",
        "## Who read values",
        "",
        "| reader | values read | a role that is meant to |",
        "| --- | --- | --- |",
        *(f"| {each.name} | {each.reads} | {'yes' if each.expected else 'no'} |" for each in month.readers),
        "",
        "Sources: CloudTrail (`RotationSucceeded`, `RotationFailed`, `GetSecretValue`) and `DescribeSecret`.",
        "",
    ]
    return "\n".join(lines)
