"""A function dies at the call that is meant, and a fault that met nobody says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.eventually import eventually
from environments.disruption import Server, Trouble
from faults.calls import CallsTroubled, FunctionKilled

CALL = Trouble("secretsmanager", "DescribeSecret", seconds=1.0)


class Calls:
    """Calls in trouble, as many as a test says."""

    def __init__(self) -> None:
        self.made = 0
        self.ended = False

    def struck(self) -> int:
        return self.made

    def end(self) -> None:
        self.ended = True


class Place:
    """An environment with one function."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.asked: list[Trouble] = []
        self.killed: list[tuple[str, int]] = []
        self.processes = 1

    def trouble(self, trouble: Trouble) -> Calls:
        self.asked.append(trouble)
        return self.calls

    def end_function(self, name: str) -> int:
        if self.processes:
            self.killed.append((name, self.calls.made))
        return self.processes

    def restart(self, server: Server) -> None:
        raise NotImplementedError

    def freeze(self, server: Server, seconds: float) -> None:
        raise NotImplementedError

    def connected(self, server: Server) -> int:
        raise NotImplementedError


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def fault(place: Place) -> Iterator[FunctionKilled]:
    made = FunctionKilled(place, "the function dies", "rotation", CALL)
    made.inject()
    yield made
    made.heal()
    assert place.calls.ended


def _felt(fault: FunctionKilled) -> None:
    eventually(fault.unfelt, subject="the fault", deadline=10, remedy="See who waits for the call.")


def test_it_dies_at_the_call_that_is_meant_and_once(place: Place, fault: FunctionKilled) -> None:
    assert place.asked == [CALL]
    assert fault.unfelt() == "it did not come so far"
    place.calls.made = 1
    _felt(fault)
    place.calls.made = 2

    fault.heal()

    assert place.killed == [("rotation", 1)]


def test_a_function_without_a_process_is_not_killed(place: Place, fault: FunctionKilled) -> None:
    place.processes = 0
    place.calls.made = 1
    assert fault.unfelt() == "no process of it was there to be killed"
    place.processes = 1
    _felt(fault)


def test_nobody_is_killed_once_it_is_healed(place: Place, fault: FunctionKilled) -> None:
    fault.heal()
    place.calls.made = 1

    assert fault.unfelt() is not None
    assert not place.killed


def test_calls_in_trouble_that_nobody_made_are_not_felt(place: Place) -> None:
    fault = CallsTroubled(place, "calls are late", CALL)
    fault.inject()
    assert fault.unfelt() == "no call was hit"
    place.calls.made = 1
    assert fault.unfelt() is None
    fault.heal()
    assert place.calls.ended
