"""A campaign in the form of Chaos Toolkit's journal, so that its tools can report on it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from evidence.disturbances import Disturbance, disturbances
from evidence.events import Entry, SteadyStateProbe
from evidence.findings import events
from evidence.timeline import merge

_FORM = "1.0.0"
_NOT_RECORDED = "not recorded"
_TITLE = "Credentials rotate while things go wrong, and nobody loses one"

Status = Literal["completed", "failed", "aborted", "interrupted"]
Json = dict[str, Any]


def journal(
    history: Iterable[Entry],
    *,
    began: float,
    ended: float,
    status: Status,
    findings: Sequence[str],
    repeated_by: Sequence[str],
) -> Json:
    """Return a campaign's journal.

    Args:
        history: What was seen of it.
        began: Seconds since the epoch.
        ended: As above.
        status: How it ended.
        findings: What speaks against it; with any it has deviated.
        repeated_by: Arguments of `mita` that do the same again.
    """
    entries = merge(history)
    faults = disturbances(entries)
    statements = sorted({probe.what for _, probe in events(entries, SteadyStateProbe)})
    spans = [(each.began, each.began + (each.lasted or 0.0)) for each in faults]
    first, last = (
        min((start for start, _ in spans), default=ended),
        max((end for _, end in spans), default=began),
    )
    return {
        "chaoslib-version": _FORM,
        "platform": platform.system(),
        "node": _NOT_RECORDED,
        "experiment": _experiment([each.what for each in faults], statements, repeated_by),
        "start": _moment(began),
        "status": status,
        "deviated": bool(findings),
        "steady_states": {
            "before": _state(entries, statements, began, first),
            "after": _state(entries, statements, last, ended),
            "during": [
                state for start, end in spans if (state := _state(entries, statements, start, end))["probes"]
            ],
        },
        "run": [_activity(each) for each in faults],
        "rollbacks": [],
        "end": _moment(ended),
        "duration": round(ended - began, 3),
        "findings": list(findings),
    }


def _experiment(faults: Sequence[str], statements: Sequence[str], repeated_by: Sequence[str]) -> Json:
    again: Json = {"type": "process", "path": "mita", "arguments": " ".join(repeated_by)}
    status: Json = {"type": "process", "path": "mita", "arguments": "status"}
    return {
        "version": _FORM,
        "title": _TITLE,
        "description": "One secret after the other is rotated while something goes wrong and people work.",
        "tags": ["secrets", "rotation"],
        "steady-state-hypothesis": {
            "title": "The system is steady",
            "probes": [
                {"type": "probe", "name": each, "tolerance": True, "provider": status} for each in statements
            ],
        },
        "method": [{"type": "action", "name": each, "provider": again} for each in dict.fromkeys(faults)],
        "rollbacks": [],
    }


def _activity(fault: Disturbance) -> Json:
    seconds = fault.lasted or 0.0
    return {
        "activity": {"type": "action", "name": fault.what},
        "output": {
            "felt after seconds": fault.felt,
            "steady again after seconds": fault.steady,
            "requests failed": fault.failed,
        },
        "start": _moment(fault.began),
        "status": "succeeded" if fault.lasted is not None and fault.felt is not None else "failed",
        "end": _moment(fault.began + seconds),
        "duration": round(seconds, 3),
    }


def _state(entries: Sequence[Entry], statements: Sequence[str], start: float, end: float) -> Json:
    """Return the last answer of each statement between two moments."""
    last: dict[str, tuple[Entry, SteadyStateProbe]] = {}
    for entry, probe in events(entries, SteadyStateProbe):
        if start <= entry.at <= end:
            last[probe.what] = entry, probe
    return {
        "steady_state_met": last.keys() == set(statements) and all(probe.holds for _, probe in last.values()),
        "probes": [
            {
                "activity": {"type": "probe", "name": what, "tolerance": True},
                "output": probe.holds,
                "start": _moment(entry.at),
                "status": "succeeded",
                "end": _moment(entry.at),
                "duration": 0.0,
                "tolerance_met": probe.holds,
            }
            for what, (entry, probe) in sorted(last.items())
        ],
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
