"""Users at work: Locust in a process of its own, and what it found."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_bdd import given, then, when

from evidence import checkers
from evidence.events import History
from evidence.findings import Hold
from evidence.observation import Observation
from loadtests.process import Load
from steps.parameters import phrase
from steps.system import System

_LONGEST = 900  # seconds
_EVEN_RATE = 40  # visits each second
# The guide's two requests; and besides one that uses database and cache, which asks a pod whether it is
# ready, and so is answered with "no" by one that is about to end.
_DOING: dict[str, tuple[str, ...]] = {"sign in": (), "are at work": ("--credentials",)}
_MILLISECONDS = "latency_ms"


type Begin = Callable[..., Load]
"""Begins a load run of a shape on the application, for the scenario's own sake."""


@pytest.fixture
def begin_load(system: System, report_directory: Path, scenario: str) -> Begin:
    """Begins a load run whose results go to a directory of the scenario's own in the report's."""
    base = system.connections.endpoints.application
    assert base is not None, "the environment does not say where the application answers"
    digest = hashlib.sha256(scenario.encode()).hexdigest()[:8]  # names may be equal as far as they are kept
    name = f"{re.sub(r'\W+', '-', scenario).strip('-')[:80]}-{digest}"
    return functools.partial(Load, base, report_directory / "load" / name, "--purpose", scenario)


@given(phrase("{count:d} users are at work"), target_fixture="load")
def _users_at_work(begin_load: Begin, count: int) -> Iterator[Load]:
    shape = ("--shape", "hold", "--open", str(count), "--seconds", str(_LONGEST), "--credentials")
    load = begin_load(*shape)
    yield from _at_work(load)


@given(phrase("{count:d} users {doing:Doing} at an even pace", Doing=_DOING), target_fixture="load")
def _users_at_an_even_pace(begin_load: Begin, count: int, doing: str) -> Iterator[Load]:
    # They ask again when it is time, not as fast as they can: what is broken is not the machine.
    steady = ("--shape", "steady", "--rate", str(_EVEN_RATE), "--open", str(count))
    shape = (*steady, "--seconds", str(_LONGEST), *_DOING[doing])
    load = begin_load(*shape)
    yield from _at_work(load)


def _at_work(load: Load) -> Iterator[Load]:
    try:
        load.await_requests()
        yield load
    finally:
        load.kill()


@when("the guide's load is put on the application", target_fixture="load")
def _guides_load(begin_load: Begin) -> Iterator[Load]:
    load = begin_load("--shape", "ci")
    try:
        load.finish()
        yield load
    finally:
        load.kill()


@then(phrase("no request failed, and {share:d} of 100 were answered within {milliseconds:d} ms"))
def _no_request_failed(history: History, load: Load, hold: Hold, share: int, milliseconds: int) -> None:
    hold("No request fails", history, checkers.no_request_failed(history))
    if load.uses_credentials:
        assert load.summary()["requests"]["ready"]["requests"] > 0, "nobody used the database and the cache"
    _answered_within(load, share, milliseconds)


@pytest.fixture
def history(observation: Observation, load: Load, began: float) -> History:
    """What was seen since the scenario began, the load included, which ends now."""
    if load.exit_code is None:
        load.await_seconds(2)  # what has just happened is felt in them
    load.stop()
    return observation.history(since=began)


@then("every answer had status 200, and signing in none of 500 or above")
def _statuses(load: Load) -> None:
    requests = load.summary()["requests"]
    for name in ("health", "auth"):
        assert requests[name]["requests"] > 0, f"no {name} request was sent"
        assert not requests[name]["failed"], requests[name]["failures"]


@then(phrase("{share:d} of 100 were answered within {milliseconds:d} ms"))
def _answered_within(load: Load, share: int, milliseconds: int) -> None:
    for name, part in load.summary()["requests"].items():
        seen = part[_MILLISECONDS][f"p{share}"]
        assert seen is not None, f"no {name} request was answered"
        assert seen < milliseconds, f"p{share} of {name} is {seen} ms"
