"""When each request is due, and how many could not be sent when they were."""

from __future__ import annotations

from collections.abc import Callable


class ArrivalSchedule:
    """A constant arrival rate, shared by all users of one process.

    The k-th arrival is due k / rate seconds after the start, whatever became of the ones
    before it.  A free user takes the next arrival and waits for its moment; when all users
    are busy, arrivals queue, and their latency still counts from when they were due.

    Attributes:
        late: Arrivals that were sent more than `tolerance` seconds after they were due.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        tolerance: float = 0.05,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._tolerance = tolerance
        self._start = clock()
        self._taken = 0
        self.late = 0

    def next(self) -> float:
        """Wait for the next arrival's moment and return it, in seconds of the clock."""
        due = self._start + self._taken / self._rate
        self._taken += 1
        ahead = due - self._clock()
        if ahead > 0:
            self._sleep(ahead)
        elif -ahead > self._tolerance:
            self.late += 1
        return due

    def missed(self, end: float) -> int:
        """Return how many arrivals were due before a moment and were never sent."""
        offered = int((end - self._start) * self._rate)
        return max(0, offered - self._taken)


class Immediately:
    """The schedule of the guide's own script: a user sends as soon as it is free."""

    late = 0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def next(self) -> float:
        """Return the present moment: nothing was planned, so nothing can be late."""
        return self._clock()

    def missed(self, _end: float) -> int:
        """Return 0: nothing was planned."""
        return 0
