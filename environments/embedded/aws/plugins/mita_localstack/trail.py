"""The audit trail: a record of every call in CloudTrail's form, without any value."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .refusals import refusal

type Record = Mapping[str, Any]

# As many as can be looked up; the file has all.
_KEPT = 50_000
_PAGE = 50
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    time: datetime
    username: str
    record: Record


class Trail:
    """Records in a file and, as far as they can be looked up, in memory.

    Args:
        path: File that records are appended to, one JSON object a line; those that it has
            already can be looked up as well.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque(maxlen=_KEPT)
        self._count = 0
        before = path.read_bytes()
        for line in before.splitlines():
            with contextlib.suppress(ValueError):  # a full disk may have cut one short
                self._keep(json.loads(line))
        if before and not before.endswith(b"\n"):
            os.write(self._file, b"\n")

    def append(self, *records: Record) -> None:
        """Write records; when this returns, the death of the process cannot lose them."""
        lines = "".join(f"{_ENCODER.encode(record)}\n" for record in records).encode()
        with self._lock:
            while lines:
                lines = lines[os.write(self._file, lines) :]
            for record in records:
                self._keep(record)

    def _keep(self, record: Record) -> None:
        self._count += 1
        time, username = datetime.fromisoformat(record["eventTime"]), _username(record["userIdentity"])
        self._entries.append(_Entry(self._count, time, username, record))

    def look_up(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Answer CloudTrail's LookupEvents: newest first, at most fifty at once.

        Raises:
            CommonServiceException: The call is not one that CloudTrail takes.
        """
        attributes = parameters.get("LookupAttributes") or []
        start, end = _moment(parameters.get("StartTime")), _moment(parameters.get("EndTime"))
        limit = int(parameters.get("MaxResults") or _PAGE)
        if len(attributes) > 1:
            raise refusal("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
        if not 1 <= limit <= _PAGE:
            raise refusal("InvalidMaxResultsException", "MaxResults must be between 1 and 50.")
        if start and end and start > end:
            raise refusal("InvalidTimeRangeException", "The start time is after the end time.")
        below = _position(parameters.get("NextToken"))
        with self._lock:
            entries = list(self._entries)
        found = [
            entry
            for entry in reversed(entries)
            if (below is None or entry.number < below)
            and (start is None or entry.time >= start.replace(microsecond=0))
            and (end is None or entry.time <= end)
            and all(_has(entry, attribute) for attribute in attributes)
        ]
        page = found[:limit]
        answer: dict[str, Any] = {"Events": [_event(entry) for entry in page]}
        if len(found) > limit:
            answer["NextToken"] = base64.b64encode(str(page[-1].number).encode()).decode()
        return answer


def _username(identity: Mapping[str, Any]) -> str:
    if identity["type"] == "Root":
        return "root"
    if identity["type"] == "AssumedRole":
        return str(identity["principalId"]).partition(":")[2]
    return str(identity.get("userName") or identity.get("invokedBy") or "")


def _moment(value: Any) -> datetime | None:  # noqa: ANN401  as LocalStack parsed it
    if value is None:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromtimestamp(float(value), UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _position(token: str | None) -> int | None:
    if token is None:
        return None
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError) as error:
        raise refusal("InvalidNextTokenException", "The token is not valid.") from error


def _has(entry: _Entry, attribute: Mapping[str, str]) -> bool:
    record, key = entry.record, str(attribute.get("AttributeKey"))
    values: Mapping[str, Callable[[], Collection[str | None]]] = {
        "EventId": lambda: [record["eventID"]],
        "EventName": lambda: [record["eventName"]],
        "EventSource": lambda: [record["eventSource"]],
        "ReadOnly": lambda: [str(record["readOnly"]).lower()],
        "Username": lambda: [entry.username],
        "AccessKeyId": lambda: [record["userIdentity"].get("accessKeyId")],
        "ResourceName": lambda: set(_names(record)),
        "ResourceType": lambda: {resource["type"] for resource in record["resources"]},
    }
    if key not in values:
        raise refusal("InvalidLookupAttributesException", f"{key} is not a lookup attribute.")
    return attribute.get("AttributeValue") in values[key]()


def _names(record: Record) -> Iterator[str]:
    for resource in record["resources"]:
        arn = resource["ARN"]
        rest = arn.split(":", 5)[-1]
        yield arn
        for kind in ("secret:", "key/", "role/", "function:"):
            if rest.startswith(kind):
                yield rest.removeprefix(kind)
        if rest.startswith("secret:"):
            yield rest.removeprefix("secret:").rpartition("-")[0]


def _event(entry: _Entry) -> dict[str, Any]:
    record = entry.record
    event = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": str(record["readOnly"]).lower(),
        "EventTime": entry.time,
        "EventSource": record["eventSource"],
        "Username": entry.username,
        "Resources": [
            {"ResourceType": each["type"], "ResourceName": each["ARN"]} for each in record["resources"]
        ],
        "CloudTrailEvent": json.dumps(record),
    }
    if access_key := record["userIdentity"].get("accessKeyId"):
        event["AccessKeyId"] = access_key
    return event
