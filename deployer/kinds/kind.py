"""What every kind of object can do: be observed, compared, changed and waited for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, cast

from deployer.changes import Action, Change, Difference

Observed = Mapping[str, Mapping[str, Any]]
"""What was seen: for each kind's `key`, the state of each object by its name."""


class Kind[S](ABC):
    """The objects of one kind that belong to one phase.

    `diff` is a pure function of the desired state, which the object was made with, and of
    what was observed.  The others talk to the services.

    Attributes:
        kind: Name of the kind in plans and receipts.
        phase: Number of the guide's phase.
        deadline: Seconds that the objects may take to work after a change.
        carries_secrets: Whether its calls carry secret values, so that services' messages are kept back.
    """

    kind: ClassVar[str]
    carries_secrets: ClassVar[bool] = False
    deadline: float = 60.0

    def __init__(self, phase: int) -> None:
        self.phase = phase

    @property
    def key(self) -> str:
        """What the kind's states are filed under in `Observed`."""
        return f"{self.phase}/{self.kind}"

    def seen(self, observed: Observed) -> Mapping[str, S]:
        """Return this kind's part of what was observed."""
        return cast("Mapping[str, S]", observed.get(self.key, {}))

    @abstractmethod
    def observe(self, names: Collection[str] | None = None) -> Mapping[str, S]:
        """Read the state of the objects, or of those named; what is not there is left out."""

    @abstractmethod
    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare: one change for each object, in the order of application."""

    @abstractmethod
    def apply(self, change: Change, observed: Observed) -> None:
        """Do one change.  Doing it again, or after a part of it was done, is harmless.

        Args:
            change: One of what `diff` returned.
            observed: What was seen, brought up to date after every change before this one.
        """

    def waiting(self) -> str | None:
        """Say what does not work yet although it is as desired; None when all works."""
        return None

    def create(self, name: str, reason: str, details: Sequence[Difference] = ()) -> Change:
        """Return the change that makes an object."""
        return Change(Action.CREATE, self.phase, self.kind, name, reason, tuple(details))

    def replace(self, name: str, reason: str, details: Sequence[Difference] = ()) -> Change:
        """Return the change that puts another object in the place of one."""
        return Change(Action.REPLACE, self.phase, self.kind, name, reason, tuple(details))

    def destroy(self, name: str, reason: str) -> Change:
        """Return the change that removes an object."""
        return Change(Action.DESTROY, self.phase, self.kind, name, reason)

    def update(self, name: str, details: Sequence[Difference], reason: str | None = None) -> Change:
        """Return the change that mends the given properties; no change when there are none."""
        if not details and reason is None:
            return Change(Action.NONE, self.phase, self.kind, name, "as desired")
        reason = reason or "differs in " + ", ".join(each.path for each in details)
        return Change(Action.UPDATE, self.phase, self.kind, name, reason, tuple(details))
