"""Interruptions that come more than once."""

from __future__ import annotations

import os
import signal

import pytest

from mita import interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_passed_on_does_not_end_the_clean_up_of_the_first(number: signal.Signals) -> None:
    with interruption.ended_in_order():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)  # the clean-up goes on


def test_one_that_comes_later_insists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_SAME_SECONDS", 0.0)
    with interruption.ended_in_order():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)


def test_who_listened_before_listens_again() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruption.ended_in_order():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
