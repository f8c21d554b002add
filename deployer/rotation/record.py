"""What a rotation did, hop by hop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
CURRENT_MOVED = "AWSCURRENT moved"


@dataclass(frozen=True, slots=True)
class Hop:
    """A moment on the way of a new value from Secrets Manager to those who use it.

    Attributes:
        name: What happened.
        at: When, by the wall clock of the machine that saw it.
        seconds: Since the rotation was asked for.
    """

    name: str
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Rotated:
    """A rotation that is complete and proven.

    Attributes:
        secret: Name below the prefix.
        version: Id of the version that is current now.
        before: Id of the version that was current before.
        began: When the rotation was asked for.
        hops: In the order in which they were seen.
    """

    secret: str
    version: str
    before: str
    began: datetime
    hops: tuple[Hop, ...]

    def seconds(self, name: str) -> float:
        """Return when a hop was seen, in seconds since the beginning.

        Raises:
            LookupError: There was no such hop.
        """
        for hop in self.hops:
            if hop.name == name:
                return hop.seconds
        raise LookupError(name)

    @property
    def propagation(self) -> float:
        """Seconds from the moment that the new value became current until the last pod used it."""
        return max(hop.seconds for hop in self.hops) - self.seconds(CURRENT_MOVED)


def now() -> datetime:
    """Return the moment."""
    return datetime.now(UTC)
