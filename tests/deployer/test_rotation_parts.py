"""What a forced rotation is followed by: the function's log, and what pods have in use."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.progress import silent
from deployer.rotation.consumers import Use, renewed
from deployer.rotation.following import Follower
from deployer.rotation.function_log import reports
from deployer.rotation.record import Hop, Kind, Rotated
from deployer.rotation.trail import Trail, unobserved

MOMENT = datetime(2026, 11, 24, 10, tzinfo=UTC)


class Logs:
    """CloudWatch Logs with one page of events, or with an error."""

    def __init__(self, *lines: str, error: str = "") -> None:
        stamp = int(MOMENT.timestamp() * 1000)
        self.events = [{"timestamp": stamp + number, "message": line} for number, line in enumerate(lines)]
        self.error = error

    def get_paginator(self, _operation: str) -> Logs:
        return self

    def paginate(self, **_parameters: object) -> list[dict[str, Any]]:
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": ""}}, "FilterLogEvents")
        return [{"events": self.events}]


def line(version: str, step: str, outcome: str, **more: str) -> str:
    return json.dumps(
        {"event": "rotation-step", "version": version, "step": step, "outcome": outcome, **more}
    )


def test_only_the_functions_own_lines_about_the_version_count() -> None:
    logs = Logs(
        "START RequestId: 1",
        line("mine", "createSecret", "started"),
        line("another", "setSecret", "failed"),
        '{"event": "something else", "version": "mine"}',
        line("mine", "createSecret", "done"),
    )
    said = list(reports(logs, "group", "mine", MOMENT))
    assert [(each.step, each.outcome, each.ended) for each in said] == [
        ("createSecret", "started", False),
        ("createSecret", "done", True),
    ]


def test_a_failure_says_why() -> None:
    logs = Logs(line("mine", "setSecret", "failed", error="RefusedError", reason="another host"))
    (report,) = reports(logs, "group", "mine", MOMENT)
    assert (report.ended, report.error, report.reason) == (False, "RefusedError", "another host")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            "RequestId: 1 Error: Runtime exited with error: signal: killed\nRuntime.ExitError",
            "Runtime exited with error: signal: killed",
        ),
        ("2026-11-24T10:00:00Z 1 Task timed out after 300.00 seconds", "Task timed out after 300.00 seconds"),
    ],
)
def test_a_function_that_died_fails_the_step_that_was_under_way(told: str, reason: str) -> None:
    logs = Logs(line("mine", "createSecret", "done"), told, line("mine", "setSecret", "started"), told)
    said = list(reports(logs, "group", "mine", MOMENT))
    assert [(each.step, each.outcome) for each in said] == [
        ("createSecret", "done"),
        ("setSecret", "started"),
        ("setSecret", "failed"),
    ]
    assert said[-1].reason == reason


def test_a_function_that_never_ran_has_said_nothing() -> None:
    assert list(reports(Logs(error="ResourceNotFoundException"), "group", "mine", MOMENT)) == []


class Growing(Logs):
    """A log that has a line more each time it is read; reading past the last is an error."""

    def paginate(self, **_parameters: object) -> list[dict[str, Any]]:
        self.read = getattr(self, "read", 0) + 1
        assert self.read <= len(self.events), "everything was said already"
        return [{"events": self.events[: self.read]}]


@pytest.mark.parametrize(
    "last",
    [line("mine", "finishSecret", "done"), "RequestId: 1 Error: Runtime exited with error: exit status 1"],
)
def test_its_log_is_read_until_the_last_step_is_done_or_its_end_is_told(last: str) -> None:
    logs = Growing(
        line("mine", "testSecret", "started"),
        line("mine", "testSecret", "done"),
        line("mine", "finishSecret", "started"),
        last,
    )
    trail = Trail("database/primary", silent, unobserved, deadline=60)
    stored: Any = None  # the labels have moved already
    follower = Follower(logs, "group", stored, "database/primary", "mine", ask=lambda: None, trail=trail)

    follower.await_log()

    assert logs.read == len(logs.events)


def test_a_log_that_may_not_be_read_is_an_error() -> None:
    with pytest.raises(ClientError):
        list(reports(Logs(error="AccessDeniedException"), "group", "mine", MOMENT))


BEFORE = {"a": Use("uid-a", 0, frozenset({"database/password/1"}))}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"a": BEFORE["a"]}, set()),
        ({"a": Use("uid-a", 0, frozenset({"database/password/2"}))}, {"a"}),
        ({"a": Use("uid-a", 1, BEFORE["a"].fingerprints)}, {"a"}),
        ({"a": BEFORE["a"], "b": Use("uid-b", 0, frozenset())}, {"b"}),
        ({}, set()),
    ],
)
def test_a_pod_is_renewed_when_it_uses_another_value_or_began_anew(
    after: dict[str, Use], expected: set[str]
) -> None:
    assert renewed(BEFORE, after) == expected


def test_propagation_counts_from_the_move_of_the_label_to_the_last_consumer() -> None:
    hops = (
        Hop(Kind.STEP, "finishSecret", MOMENT, 1.0),
        Hop(Kind.CURRENT, "", MOMENT, 1.25),
        Hop(Kind.POD, "a", MOMENT, 1.5),
        Hop(Kind.POD, "b", MOMENT, 2.0),
    )
    assert Rotated("database/primary", "new", "old", MOMENT, hops).propagation == pytest.approx(0.75)
