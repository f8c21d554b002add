"""What every fault is: injected, felt by somebody, healed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Undo:
    """How a fault is healed by somebody who did not inject it, after its holder was killed.

    Attributes:
        kind: Which of the undoings (`faults.leftovers.UNDOINGS`).
        parameters: What it needs to know, no value of a secret among it.
    """

    kind: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class Fault(Protocol):
    """One thing that goes wrong."""

    @property
    def what(self) -> str:
        """What goes wrong, in a few words for a person."""

    @property
    def undo(self) -> Undo | None:
        """How it is healed if its holder is killed; None where it then ends by itself."""

    def inject(self) -> None:
        """Make it happen."""

    def unfelt(self) -> str | None:
        """Say why nobody has felt it yet; None once somebody has."""

    def heal(self) -> None:
        """Undo it, and wait until that is done; harmless to repeat."""
