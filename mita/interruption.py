"""Ending early, but in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SAME_SECONDS = 3.0


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Take SIGTERM, as CI systems send it, for Ctrl-C, and what comes twice for once.

    Whoever starts this program may pass on what the terminal sent to all of them already; the second
    one would end the clean-up that the first one began.  One that comes seconds later does.
    """
    last = float("-inf")

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > _SAME_SECONDS:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
