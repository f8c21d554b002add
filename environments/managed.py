"""Environments that are made and removed here, not only reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from deployer.progress import Progress
from environments.protocol import Environment


@dataclass(frozen=True, slots=True)
class Part:
    """A server of an environment.

    Attributes:
        name: Its name.
        number: By which the machine knows it: the id of a process or of a container.
        state: ``running``, or how it ended.
    """

    name: str
    number: str
    state: str


@dataclass(frozen=True, slots=True)
class State:
    """How an environment that runs does.

    Attributes:
        began: When it was begun, in seconds since the epoch.
        place: Where it is, for a person.
        parts: Its servers.
        details: All that is known, for machines.
    """

    began: float
    place: str
    parts: Sequence[Part]
    details: Mapping[str, Any]


@runtime_checkable
class Managed(Environment, Protocol):
    """An environment that this machine makes, leaves running and removes."""

    def attach(self) -> bool:
        """Attach to the environment if it runs.

        Raises:
            MitaError: It does, but not as it should.
        """

    @property
    def is_ours(self) -> bool:
        """Whether this object started it, and stops it."""

    def detach(self) -> None:
        """Leave it running when this process ends."""

    def remove(self, progress: Progress) -> bool:
        """Remove everything of it, in whatever state it is; tells whether there was anything.

        Raises:
            MitaError: Something cannot be ended or removed.
        """

    def state(self) -> State | None:
        """Return how it and its servers do; None where it does not run.

        Raises:
            NotReadyError: It is still starting, or does not answer.
        """
