"""Profiles and schedules of arrival."""

from __future__ import annotations

import pytest

from loadtests.profiles import CI, GUIDE, Profile, Stage, hold, steady
from loadtests.schedule import ArrivalSchedule


def test_the_guide_profile_is_the_guides_own() -> None:
    assert GUIDE.seconds == 16 * 60
    moments = {0: 0, 60: 25, 120: 50, 419: 50, 480: 75, 540: 100, 800: 100, 900: 50}
    assert {moment: GUIDE.users_at(moment) for moment in moments} == moments
    assert GUIDE.users_at(960) is None


def test_the_ci_profile_has_the_same_shape() -> None:
    assert CI.seconds == pytest.approx(60)
    for moment in range(0, 960, 7):
        assert CI.users_at(moment / 16) == GUIDE.users_at(moment)


def test_a_steady_profile_has_all_its_users_from_the_start() -> None:
    profile = steady(100, 30, 20)
    assert [profile.users_at(moment) for moment in (0, 15, 29.9)] == [20, 20, 20]
    assert profile.users_at(30) is None


def test_users_who_are_held_are_all_there_after_a_second() -> None:
    profile = hold(100, 30)
    assert [profile.users_at(moment) for moment in (0, 0.5, 1, 30.9)] == [0, 50, 100, 100]
    assert profile.users_at(31) is None


@pytest.mark.parametrize("stages", [(), (Stage(0, 1),), (Stage(1, -1),)])
def test_a_profile_that_makes_no_sense_is_refused(stages: tuple[Stage, ...]) -> None:
    with pytest.raises(ValueError, match="positive length"):
        Profile("odd", stages)


class Clock:
    """A clock that moves only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_latency_counts_from_when_a_send_was_due_after_the_server_stalled() -> None:
    clock = Clock()
    schedule = ArrivalSchedule(10, clock=clock, sleep=clock.sleep)
    assert schedule.next() == 100.0
    clock.sleep(1.0)  # the only user waits a second for the first answer
    assert schedule.next() == pytest.approx(100.1)
    assert clock() - 100.1 == pytest.approx(0.9)
    assert schedule.late == 1


def test_sends_that_were_never_made_are_counted() -> None:
    clock = Clock()
    schedule = ArrivalSchedule(10, clock=clock, sleep=clock.sleep)
    for _ in range(5):
        schedule.next()
    assert schedule.missed(102.0) == 15
    assert schedule.missed(100.4) == 0
