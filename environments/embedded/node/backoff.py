"""How long a container that keeps ending waits before it is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """The kubelet's rule: at once the first time, then 10 s, doubling to 300 s.

    A container that ran for twice the longest delay starts over.

    Attributes:
        base: First delay in seconds.
        longest: Longest delay in seconds.
    """

    base: float = 10.0
    longest: float = 300.0
    _following: float = 0.0

    def next(self, ran: float) -> float:
        """Return the delay, in seconds, before the next start.

        Args:
            ran: How long the instance that just ended had run, in seconds.
        """
        if ran >= 2 * self.longest:
            self._following = 0.0
        delay = self._following
        self._following = min(delay * 2 if delay else self.base, self.longest)
        return delay
