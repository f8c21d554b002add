"""Load profiles as data: how many users, or how many arrivals, at each moment.

The stages of `GUIDE` are the deployment guide's own (phase 7, step 3); `CI` is the same
shape in a sixteenth of the time.  `STEADY` offers a constant arrival rate instead, so
that a slow answer cannot hide the requests that should have followed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the profile during which the number of users moves evenly to a target.

    Attributes:
        seconds: Length of the stage.
        users: Number of users at its end.
    """

    seconds: float
    users: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A shape of load over time.

    Attributes:
        name: What ``--shape`` takes.
        stages: The stages, in order; the profile begins with no users.
        rate: Arrivals each second, for a profile of constant arrival rate: users are then
            the most requests that may be open at once.  None lets every user send as soon
            as its last request is answered, as the guide's k6 script does.
    """

    name: str
    stages: tuple[Stage, ...]
    rate: float | None = None

    def __post_init__(self) -> None:
        if not self.stages or any(stage.seconds <= 0 or stage.users < 0 for stage in self.stages):
            msg = f"profile {self.name}: every stage needs a positive length and no negative users"
            raise ValueError(msg)
        if self.rate is not None and self.rate <= 0:
            msg = f"profile {self.name}: the arrival rate is {self.rate}, it has to be above 0 a second"
            raise ValueError(msg)

    @property
    def seconds(self) -> float:
        """Length of the whole profile."""
        return sum(stage.seconds for stage in self.stages)

    def users_at(self, elapsed: float) -> int | None:
        """Return the number of users at a moment, or None once the profile is over.

        Args:
            elapsed: Seconds since the beginning.
        """
        users = 0
        for stage in self.stages:
            if elapsed < stage.seconds:
                if self.rate is not None:
                    # A ramp of users would lower the offered rate: they are all there from the start.
                    return stage.users
                return round(users + (stage.users - users) * elapsed / stage.seconds)
            elapsed -= stage.seconds
            users = stage.users
        return None

    def compressed(self, factor: float, name: str) -> Profile:
        """Return the same shape in `factor` times less time."""
        stages = tuple(Stage(stage.seconds / factor, stage.users) for stage in self.stages)
        return replace(self, name=name, stages=stages)


GUIDE = Profile("guide", (Stage(120, 50), Stage(300, 50), Stage(120, 100), Stage(300, 100), Stage(120, 0)))
CI = GUIDE.compressed(16, "ci")


def steady(rate: float, seconds: float, users: int) -> Profile:
    """Return a profile of constant arrival rate.

    Args:
        rate: Arrivals each second, over all processes.
        seconds: Length.
        users: The most requests that may be open at once.
    """
    return Profile("steady", (Stage(seconds, users),), rate)


def hold(users: int, seconds: float) -> Profile:
    """Return a profile of users who are all at work from the second second on.

    It is for a run that somebody else ends, when what happens meanwhile is over.

    Args:
        users: How many.
        seconds: The longest that it may last.
    """
    return Profile("hold", (Stage(1, users), Stage(seconds, users)))


NAMES: Sequence[str] = ("guide", "ci", "steady", "hold")
