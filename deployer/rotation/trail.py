"""The moments of one rotation, as they are seen, and the time that is left for the next."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from deployer.cluster import UNREACHABLE
from deployer.eventually import eventually
from deployer.progress import Progress, Step
from deployer.rotation.record import Hop, Kind, now

POLL = 0.1  # seconds

Observe = Callable[[Hop], None]


def unobserved(_hop: Hop) -> None:
    """Take no note of a hop."""


class Trail:
    """Notes every hop of one rotation.

    Args:
        secret: Name below the prefix.
        progress: Told of every step.
        observe: Told of every hop as it is seen.
        deadline: Seconds for the whole rotation.
    """

    def __init__(self, secret: str, progress: Progress, observe: Observe, deadline: float) -> None:
        self.subject = f"rotation of {secret}"
        self._progress = progress
        self._observe = observe
        self._deadline = deadline
        self._hops: list[Hop] = []
        self.began = now()
        self._clock = time.monotonic()

    @property
    def hops(self) -> tuple[Hop, ...]:
        """What was noted, in the order in which it happened."""
        return tuple(sorted(self._hops, key=lambda hop: hop.at))

    def begin(self) -> None:
        """Count from now."""
        self.began, self._clock = now(), time.monotonic()

    def hop(self, kind: Kind, subject: str = "", detail: str = "", at: datetime | None = None) -> None:
        """Note a hop.

        Args:
            kind: What happened.
            subject: To what.
            detail: More of it.
            at: When, where somebody else's clock tells; now, if left out.
        """
        seen = at or now()
        seconds = (seen - self.began).total_seconds() if at else time.monotonic() - self._clock
        hop = Hop(kind, subject, seen, seconds, detail)
        self._hops.append(hop)
        self._observe(hop)
        self.tell("progress", hop.name)

    def tell(self, state: str, detail: str) -> None:
        """Show a person where the rotation is."""
        self._progress(Step(self.subject, state, detail))

    def wait(self, missing: Callable[[], str | None], subject: str, remedy: str) -> None:
        """Wait until nothing is missing, and bear with an API server that is away meanwhile.

        Raises:
            NotReadyError: Something still is when the rotation's time has run out.
        """
        left = max(0.0, self._deadline - (time.monotonic() - self._clock))
        eventually(
            missing, subject=subject, deadline=left, remedy=remedy, retry=UNREACHABLE, longest_pause=POLL
        )
