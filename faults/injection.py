"""Injecting a fault so that it is written down, felt by somebody, and healed whatever happens."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Protocol, Self

from deployer.errors import NotReadyError
from deployer.eventually import eventually
from faults.contract import Fault
from faults.leftovers import Leftovers

FELT_SECONDS = 60.0
"""The longest that a fault may go unfelt before it counts as one that hit nothing."""


class Journal(Protocol):
    """Takes down the beginnings and the ends of faults."""

    def injected(self, fault: str, what: str) -> None:
        """Take down that a fault begins: its name, which no other has, and what it is."""

    def felt(self, fault: str) -> None:
        """Take down that it hit somebody."""

    def healed(self, fault: str) -> None:
        """Take down that it is over."""


class Injection:
    """A fault from its beginning to its end.

    Args:
        fault: The fault.
        journal: Where its beginning and its end are taken down.
        leftovers: Where it is noted as long as it is not healed.

    Attributes:
        fault: The fault.
        begun: Whether it has begun, or ended already.
    """

    def __init__(self, fault: Fault, journal: Journal, leftovers: Leftovers) -> None:
        self.fault = fault
        self._id = f"{fault.what} ({secrets.token_hex(4)})"
        self._journal = journal
        self._leftovers = leftovers
        self._note: str | None = None
        self._ended = False
        self.begun = False

    def await_felt(self, deadline: float = FELT_SECONDS) -> None:
        """Wait until somebody has felt the fault.

        Raises:
            NotReadyError: Nobody did: a fault that hits nothing proves nothing.
        """
        eventually(
            self.fault.unfelt,
            subject=f"the fault: {self.fault.what}",
            deadline=deadline,
            remedy="See that it is aimed at something that works meanwhile.",
            longest_pause=0.2,
        )
        self._journal.felt(self._id)

    def end(self) -> None:
        """Heal the fault, once."""
        if self._ended:
            return
        self.fault.heal()
        self._ended = True
        self._journal.healed(self._id)
        if self._note is not None:
            self._leftovers.forget(self._note)

    def end_when_felt(self) -> None:
        """Wait until the fault is felt, then heal it.

        Raises:
            NotReadyError: Nobody felt it.
        """
        if not self._ended:
            self.await_felt()
            self.end()

    def __enter__(self) -> Self:
        undo = self.fault.undo
        if undo is not None:  # noted first: whoever is killed now leaves a note and no fault, not the reverse
            self._note = self._leftovers.note(self.fault.what, undo)
        self.begun = True
        self._journal.injected(self._id, self.fault.what)
        try:
            self.fault.inject()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unfelt = None if self._ended or error is not None else self.fault.unfelt()
        self.end()
        if unfelt is not None:
            raise NotReadyError(
                f"the fault: {self.fault.what}",
                expected="somebody to feel it",
                seen=unfelt,
                remedy="See that it is aimed at something that works meanwhile.",
            )
