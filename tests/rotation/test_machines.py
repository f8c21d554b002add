"""Any order, repetition, failure and end of the steps leaves one working current version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.rotation.machines import CacheMachine, DatabaseMachine, JwtMachine, RotationMachine
from tests.rotation.servers import Cache, Database

# With servers, making a failing example smaller takes minutes; what led to it is reported anyway.
_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def drive(make: Callable[[], RotationMachine]) -> None:
    machine: Any = make  # it says that it wants a class, and calls it
    run_state_machine_as_test(machine, settings=_SETTINGS)


@pytest.mark.embedded
@pytest.mark.parametrize("like_localstack", [False, True], ids=["AWS' rules", "LocalStack's rules"])
def test_database(database: Database, like_localstack: bool) -> None:
    drive(lambda: DatabaseMachine(database, like_localstack=like_localstack))


@pytest.mark.embedded
@pytest.mark.parametrize("like_localstack", [False, True], ids=["AWS' rules", "LocalStack's rules"])
def test_cache(cache: Cache, like_localstack: bool) -> None:
    drive(lambda: CacheMachine(cache, like_localstack=like_localstack))


def test_jwt() -> None:
    run_state_machine_as_test(JwtMachine, settings=settings(_SETTINGS, max_examples=100, phases=list(Phase)))
