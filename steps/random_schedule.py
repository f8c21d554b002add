"""A random schedule as a scenario: drawn, kept in the report, struck."""

from __future__ import annotations

import random
from pathlib import Path

from pytest_bdd import given, when

from evidence.observation import Observation
from steps.campaign import Blow, Schedule, save, strike
from steps.faults_by_name import FAULTS
from steps.parameters import phrase
from steps.probes import ROTATED
from steps.system import System


@given(phrase("a random schedule of {count:d} rotations and faults"), target_fixture="schedule")
def _random_schedule(report_directory: Path, count: int) -> Schedule:
    draw = random.Random()  # noqa: S311  nothing depends on guessing it, and the schedule itself is kept
    schedule = tuple(Blow(draw.choice(ROTATED), draw.choice(sorted(FAULTS))) for _ in range(count))
    save(schedule, report_directory / "schedule.json")  # what failed can be struck again: mita chaos --replay
    return schedule


@when("the schedule is struck")
def _struck(system: System, observation: Observation, began: float, schedule: Schedule) -> None:
    del began  # what follows is what counts
    found = strike(system, observation, schedule, lambda _blow: None)
    # All but the requests that failed, which the scenario has its own words for, is judged there as well.
    assert not found, "\n".join(finding.text for finding in found)
