"""What the node knows about its pods: the truth that the API's status is computed from."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not run, and why."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A container that runs."""

    started: datetime
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminated:
    """An instance of a container that has ended.

    Attributes:
        code: Exit code; 128 and the signal's number for a signal.
        reason: ``Completed``, ``Error``, ``StartError``.
        started: When it started.
        finished: When it ended.
        message: What the container left as its last words.
        signal: Number of the signal that ended it, or 0.
        identity: The instance, as `Running.identity`.
    """

    code: int
    reason: str
    started: datetime
    finished: datetime
    message: str = ""
    signal: int = 0
    identity: str = ""


class Role(enum.Enum):
    """What a container is in its pod."""

    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"


@dataclass(slots=True, kw_only=True)
class ContainerState:
    """One container now.

    Attributes:
        name: Name in the pod.
        image: Image reference of the spec.
        role: What it is in its pod.
        current: What it does.
        last: How the instance before ended.
        restarts: How many instances there were before this one.
        started: Whether its startup probe, if any, has succeeded.
        ready: Whether its readiness probe, if any, succeeds.
    """

    name: str
    image: str
    role: Role
    current: Waiting | Running | Terminated
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with code 0."""
        return isinstance(self.current, Terminated) and self.current.code == 0


@dataclass(slots=True, kw_only=True)
class PodState:
    """One pod now.

    Attributes:
        started: When the node accepted it.
        containers: All of its containers, in the order of the spec, those for initialisation first.
        address: Its recorded address; empty before it has one.
        prepared: Whether its volumes and address are there.
        initialized: Whether its containers for initialisation have done their work.
        ended: Whether nothing of it will run any more.
        reason: Why it failed as a whole.
        message: The same for people.
    """

    started: datetime
    containers: list[ContainerState] = field(default_factory=list)
    address: str = ""
    prepared: bool = False
    initialized: bool = False
    ended: bool = False
    reason: str = ""
    message: str = ""

    def of(self, role: Role) -> list[ContainerState]:
        """Return the containers of one role."""
        return [container for container in self.containers if container.role is role]
