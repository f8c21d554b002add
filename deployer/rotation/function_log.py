"""What the rotation function says of its steps, in its log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

_EVENT = "rotation-step"
_ENDED = re.compile(r"Error: (Runtime exited [^\n]*)|(Task timed out after [^\n]*)")

ENDED = "FunctionEndedError"
"""Kind of the failure of a step whose function ended before it could say anything."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """One line of the function's about a step.

    Attributes:
        step: Such as ``setSecret``.
        outcome: ``started``, ``failed``, or how it ended.
        reason: Why it failed, in the function's words, which hold no value.
        error: The kind of failure.
        at: When the line was written.
    """

    step: str
    outcome: str
    reason: str
    error: str
    at: datetime

    @property
    def ended(self) -> bool:
        """Whether the step is done."""
        return self.outcome not in ("started", "failed")


def reports(logs: Any, group: str, version: str, since: datetime) -> Iterator[StepReport]:  # noqa: ANN401  boto3 client
    """Read what a function said about one version of a secret, in order.

    Lambda's own word that the function ended counts as the failure of the step that was under way.

    Args:
        logs: Client of CloudWatch Logs.
        group: The function's log group.
        version: Id of the version.
        since: Nothing earlier counts.
    """
    events: list[dict[str, Any]] = []
    try:
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since.timestamp() * 1000)
        ):
            events += page["events"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":  # it has not run yet
            raise
    under_way = ""
    for event in sorted(events, key=lambda each: each["timestamp"]):
        at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        if (ended := _ENDED.search(event["message"])) is not None and under_way:
            yield StepReport(under_way, "failed", ended[1] or ended[2], ENDED, at)
            under_way = ""
        elif (line := _parsed(event["message"])) is not None and line.get("version") == version:
            step, outcome = str(line.get("step")), str(line.get("outcome"))
            under_way = step if outcome == "started" else ""
            yield StepReport(step, outcome, str(line.get("reason", "")), str(line.get("error", "")), at)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:  # Lambda's own lines
        return None
    return line if isinstance(line, dict) and line.get("event") == _EVENT else None
