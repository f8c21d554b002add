"""Waiting for a condition, with a deadline and the last reason why it did not hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from deployer.errors import NotReadyError

FIRST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as `eventually` sees it; tests hand in their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def eventually(
    missing: Callable[[], str | None],
    *,
    subject: str,
    deadline: float,
    remedy: str,
    retry: tuple[type[Exception], ...] = (),
    longest_pause: float = LONGEST_PAUSE,
    clock: Clock | None = None,
) -> None:
    """Ask until nothing is missing.

    Args:
        missing: Returns None when the condition holds, else what is still missing.
        subject: What is waited for.
        deadline: Seconds to wait; the question is asked at least once.
        remedy: What to do when it does not come.
        retry: Errors of the question that count as "not yet"; any other ends the wait at once.
        longest_pause: Seconds between two questions at most.
        clock: Time to go by.

    Raises:
        NotReadyError: The deadline passed; it carries the last thing that was missing.
    """
    clock = clock or Clock()
    end = clock.now() + deadline
    pause = FIRST_PAUSE
    while True:
        try:
            last = missing()
        except retry as error:
            last = str(error)
        if last is None:
            return
        left = end - clock.now()
        if left <= 0:
            raise NotReadyError(subject, expected=f"ready within {deadline:g} s", seen=last, remedy=remedy)
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, longest_pause)
