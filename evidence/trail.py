"""AWS' audit trail, looked up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

_AHEAD = timedelta(minutes=1)  # clocks of others may be ahead


def records(
    trail: Any,  # noqa: ANN401  boto3 client
    name: str,
    since: datetime,
    until: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield CloudTrail's records of one kind of event, newest first.

    Args:
        trail: Client of CloudTrail.
        name: Of the event, such as ``GetSecretValue``.
        since: The earliest moment.
        until: The latest; now if left out or ahead.
    """
    latest = datetime.now(UTC) + _AHEAD
    pages = trail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
        StartTime=since,
        EndTime=latest if until is None else min(until, latest),
    )
    for page in pages:
        for event in page["Events"]:
            yield json.loads(event["CloudTrailEvent"])
