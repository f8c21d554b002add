"""Users at work: Locust in a process of its own, and what it found."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd import given, then, when

import loadtests
from deployer.eventually import eventually
from evidence import checkers
from evidence.events import History
from evidence.findings import Hold
from evidence.load import INTERVALS_FILE, SUMMARY_FILE
from evidence.observation import Observation
from steps.parameters import phrase
from steps.system import System

_LOCUSTFILE = Path(loadtests.__file__).parent / "locustfile.py"
_LONGEST = 900  # seconds
_START_SECONDS = 60.0
_END_SECONDS = 60.0
_MILLISECONDS = "latency_ms"

Json = dict[str, Any]


class Load:
    """A load run below the report directory.

    Args:
        system: Whose application is worked with.
        directory: For its results.
        arguments: The shape.
    """

    def __init__(self, system: System, directory: Path, *arguments: str) -> None:
        base = system.connections.endpoints.application
        assert base is not None, "the environment does not say where the application answers"
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary")
        with (directory / "locust.log").open("w") as log:
            self._process = subprocess.Popen(
                [*command, "--host", base, "--results", str(directory), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=_LOCUSTFILE.parents[1],
            )

    def await_requests(self) -> None:
        """Wait until requests are answered."""
        intervals = self.directory / INTERVALS_FILE

        def none() -> str | None:
            assert self._process.poll() is None, f"Locust ended with {self._process.returncode}"
            return None if intervals.exists() and intervals.stat().st_size else "no request has been answered"

        eventually(
            none, subject="load", deadline=_START_SECONDS, remedy=f"Read {self.directory / 'locust.log'}."
        )

    def stop(self) -> Json:
        """End it if it has not ended, and return its summary."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # at which Locust sums up
        self._process.wait(_END_SECONDS)
        return self.summary()

    def finish(self) -> Json:
        """Wait until it ends by itself, and return its summary."""
        self._process.wait(_LONGEST)
        return self.summary()

    def kill(self) -> None:
        """See that nothing is left of it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def summary(self) -> Json:
        """Return what it found."""
        summary: Json = json.loads((self.directory / SUMMARY_FILE).read_text(encoding="utf-8"))
        return summary


def _directory(request: pytest.FixtureRequest, report: Path) -> Path:
    return report / "load" / re.sub(r"\W+", "-", request.node.name).strip("-")[:80]


@given(phrase("{count:d} users are at work"), target_fixture="load")
def _users_at_work(
    request: pytest.FixtureRequest, system: System, report_directory: Path, count: int
) -> Iterator[Load]:
    shape = ("--shape", "hold", "--open", str(count), "--seconds", str(_LONGEST), "--credentials")
    load = Load(system, _directory(request, report_directory), *shape)
    try:
        load.await_requests()
        yield load
    finally:
        load.kill()


@when("the guide's load is put on the application", target_fixture="load")
def _guides_load(request: pytest.FixtureRequest, system: System, report_directory: Path) -> Iterator[Load]:
    load = Load(system, _directory(request, report_directory), "--shape", "ci")
    try:
        load.finish()
        yield load
    finally:
        load.kill()


@then(phrase("no request failed, and {share:d} of 100 were answered within {milliseconds:d} ms"))
def _no_request_failed(history: History, load: Load, hold: Hold, share: int, milliseconds: int) -> None:
    hold("No request fails", history, checkers.no_request_failed(history))
    assert load.summary()["requests"]["ready"]["requests"] > 0, "nobody used the database and the cache"
    _answered_within(load, share, milliseconds)


@pytest.fixture
def history(observation: Observation, load: Load, began: float) -> History:
    """What was seen since the scenario began, the load included, which ends now."""
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
