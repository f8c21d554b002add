"""What an environment can be made to suffer, beyond what its own APIs can do to it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Server(enum.StrEnum):
    """A server that is not a pod."""

    DATABASE = "PostgreSQL"
    CACHE = "Redis"
    CLUSTER = "the Kubernetes API server"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to calls of AWS.

    Attributes:
        service: Such as ``secretsmanager``.
        operation: Such as ``GetSecretValue``; ``*`` is anything.
        principal: ARN of the caller; ``*`` is anything.
        error: AWS' code of the error that the call is refused with; empty where it is only late.
        status: HTTP status of the refusal.
        seconds: By which the call is late.
        served: Whether it is served on time, and only its answer is late.
        after: How many calls that fit are let go first.
    """

    service: str
    operation: str = "*"
    principal: str = "*"
    error: str = ""
    status: int = 400
    seconds: float = 0.0
    served: bool = False
    after: int = 0


class Troubled(Protocol):
    """Calls of AWS that are in trouble, until this object is told to end it or its process ends."""

    def struck(self) -> int:
        """Return how many calls it has hit."""

    def end(self) -> None:
        """Leave the calls alone again; harmless to repeat."""


@runtime_checkable
class Disruptable(Protocol):
    """What an environment with the capability `disruptions` offers besides."""

    def restart(self, server: Server) -> None:
        """End a server and start it anew.

        Raises:
            MitaError: It does not become ready again.
        """

    def freeze(self, server: Server, seconds: float) -> None:
        """Keep a server from doing anything for some seconds; it goes on even if its caller dies."""

    def connected(self, server: Server) -> int:
        """Return how many connections a server has at the moment."""

    def end_function(self, name: str) -> int:
        """End the processes that a function runs in, without a word; returns how many there were."""

    def trouble(self, trouble: Trouble) -> Troubled:
        """Bring calls of AWS into trouble.

        Raises:
            MitaError: AWS' stand-in does not take it.
        """
