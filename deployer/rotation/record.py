"""What a rotation did, hop by hop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


class Kind(StrEnum):
    """What a hop can be."""

    STORED = "new value stored"
    STEP = "step done"
    CURRENT = "AWSCURRENT moved"
    LOGIN = "login"
    COPY = "cluster's copy"
    POD = "pod"


@dataclass(frozen=True, slots=True)
class Hop:
    """A moment on the way of a new value from Secrets Manager to those who use it.

    Attributes:
        kind: What happened.
        subject: To what: the step, the login, the Secret or the pod; empty where there is only one.
        at: When, by the wall clock of the machine that saw it.
        seconds: Since the rotation was asked for.
        detail: The resource version of a copy.
    """

    kind: Kind
    subject: str
    at: datetime
    seconds: float
    detail: str = ""

    @property
    def name(self) -> str:
        """What to show a person."""
        return self.subject if self.kind is Kind.STEP else f"{self.kind} {self.subject}".rstrip()


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

    def of(self, kind: Kind) -> tuple[Hop, ...]:
        """Return the hops of one kind."""
        return tuple(hop for hop in self.hops if hop.kind is kind)

    @property
    def propagation(self) -> float:
        """Seconds from the moment that the new value became current until the last consumer used it."""
        (current,) = self.of(Kind.CURRENT)
        return max(hop.seconds for hop in self.hops) - current.seconds


def now() -> datetime:
    """Return the moment."""
    return datetime.now(UTC)
