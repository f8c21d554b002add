"""What a checker found in a history, and the record of a check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from evidence.events import Entry, Event

SHOWN_ENTRIES = 5


class Finding(BaseModel):
    """Something that must not be, or that was not observed and so is not shown.

    Attributes:
        checker: The rule that it breaks.
        text: What is wrong, in a sentence.
        at: When it began, in seconds since the epoch; None where nothing was observed.
        entries: The first entries that show it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    checker: str
    text: str
    at: float | None = None
    entries: tuple[Entry, ...] = ()


class CheckResult(BaseModel):
    """A check that was made of a history.

    Attributes:
        title: What was to be shown.
        scenario: The scenario that asked for it.
        entries: How many entries were looked at.
        findings: What speaks against it; none when it holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    scenario: str = ""
    entries: int
    findings: tuple[Finding, ...]


class Hold(Protocol):
    """Takes what checkers found, for the report and for the scenario at hand."""

    def __call__(self, title: str, history: Sequence[Entry], /, *findings: Iterable[Finding]) -> None:
        """Keep the result of a check.

        Args:
            title: What was to be shown.
            history: What was looked at.
            findings: What each checker returned.

        Raises:
            AssertionError: There is a finding.
        """


def finding(checker: str, text: str, entries: Iterable[Entry] = ()) -> Finding:
    """Return a finding that began with the first of its entries."""
    shown = tuple(entries)
    return Finding(
        checker=checker, text=text, at=shown[0].at if shown else None, entries=shown[:SHOWN_ENTRIES]
    )


def events[E: Event](history: Iterable[Entry], kind: type[E]) -> Iterator[tuple[Entry, E]]:
    """Yield the entries of one kind, each with its event."""
    return ((entry, entry.event) for entry in history if isinstance(entry.event, kind))
