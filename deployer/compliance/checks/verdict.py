"""What a check says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployer.compliance.catalogue import Limits
from deployer.compliance.facts import Facts, Unknown


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as the control demands; free of secret values.

    Attributes:
        subject: Object that it is about.
        seen: What was found there.
        local: It is about a connection without TLS that never leaves the machine.
    """

    subject: str
    seen: str
    local: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check: what was looked at, and what is wrong with it."""

    evidence: str
    violations: tuple[Violation, ...] = ()


class CannotTellError(Exception):
    """Facts that a check needs could not be had."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown)
        self.unknown = unknown


Check = Callable[[Facts, Limits], Verdict]


def known[T](fact: T | Unknown) -> T:
    """Return a fact.

    Raises:
        CannotTellError: It could not be had.
    """
    if isinstance(fact, Unknown):
        raise CannotTellError(fact)
    return fact


def require(*, met: bool, where: str, reason: str) -> None:
    """Demand that there is something to judge: nothing at all is no evidence.

    Raises:
        CannotTellError: There is not.
    """
    if not met:
        raise CannotTellError(Unknown(where, reason))
