"""When requests may fail in a disturbed scenario, and what counts as a refused credential."""

from __future__ import annotations

import psycopg2
import pytest
import redis

from evidence.events import Entry, Event, FaultHealed, FaultInjected, RequestFailed
from steps.chaos import late_failures
from steps.probes import says_no


def _at(moment: float, event: Event) -> Entry:
    return Entry.model_validate({"at": moment, "event": event.model_dump()})


def _failed(moment: float) -> Entry:
    return _at(moment, RequestFailed(load="load", request="ready", reason="status 503", count=1))


BEGIN = _at(100.0, FaultInjected(fault="one", what="something is wrong"))
END = _at(110.0, FaultHealed(fault="one"))


@pytest.mark.parametrize(("moment", "found"), [(98.0, 1), (99.5, 0), (105.0, 0), (119.0, 0), (121.0, 1)])
def test_requests_may_fail_while_something_is_wrong_and_a_while_after(moment: float, found: int) -> None:
    assert len(list(late_failures([BEGIN, _failed(moment), END], 10))) == found


def test_the_quiet_time_between_two_faults_excuses_nothing() -> None:
    again = [
        _at(200.0, FaultInjected(fault="two", what="something is")),
        _at(201.0, FaultHealed(fault="two")),
    ]

    found = [len(list(late_failures([BEGIN, END, _failed(at), *again], 10))) for at in (119.0, 150.0, 199.5)]

    assert found == [0, 1, 0]


@pytest.mark.parametrize("history", [[], [BEGIN], [END], [_failed(100.0)]])
def test_without_a_fault_that_began_and_ended_nothing_is_shown(history: list[Entry]) -> None:
    (finding,) = late_failures(history, 10)
    assert finding.text == "No fault was injected and healed."


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg2.OperationalError('FATAL:  password authentication failed for user "mita_app"'), True),
        (psycopg2.OperationalError("FATAL:  the database system is starting up"), False),
        (psycopg2.OperationalError("connection refused"), False),
        (redis.AuthenticationError("WRONGPASS"), True),
        (redis.ConnectionError("Connection refused"), False),
    ],
)
def test_a_server_that_is_away_refuses_nobody(error: Exception, expected: bool) -> None:
    assert says_no(error) is expected
