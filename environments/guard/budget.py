"""How long a guarded run may take, and how many requests it may send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from deployer.errors import RefusedError


class BudgetError(RefusedError):
    """A run has used up its time or its requests."""

    SUBJECT = "budget of the run"


class Budget:
    """Counts requests and watches the clock.

    Args:
        seconds: How long the run may take, from the first request.
        requests: How many requests it may send, repeated ones included.
        clock: Tells monotonic time.
    """

    def __init__(self, *, seconds: float, requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._requests = requests
        self._clock = clock
        self._began: float | None = None
        self._closing = False
        self._lock = threading.Lock()
        self.spent = 0

    @property
    def seconds(self) -> float:
        """Seconds since the first request."""
        return 0.0 if self._began is None else self._clock() - self._began

    def close(self) -> None:
        """Lift the limits for what a run does at its end: to look at what is there once more."""
        self._closing = True

    def spend(self, request: str) -> None:
        """Count one request that is about to be sent.

        Raises:
            BudgetError: There is nothing left for it.
        """
        with self._lock:
            self._began = self._clock() if self._began is None else self._began
            if not self._closing:
                self._require_some_left(request)
            self.spent += 1

    def _require_some_left(self, request: str) -> None:
        limits = (
            (self.spent >= self._requests, f"{self._requests} requests", f"one more: {request}"),
            (self.seconds > self._seconds, f"{self._seconds:g} s", f"{self.seconds:.0f} s at {request}"),
        )
        for exceeded, limit, seen in limits:
            if exceeded:
                raise BudgetError(
                    BudgetError.SUBJECT,
                    expected=f"at most {limit}",
                    seen=seen,
                    remedy="See what was slow or repeated, or raise [budget] in the configuration.",
                )
