"""Where a run of an environment could show a secret value, and where it may."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Lawful:
    """A place that has to hold secret values.

    Attributes:
        pattern: Of a file below a searched directory, or of a variable of a process, where ``*`` is anything.
        reason: Why it must.
    """

    pattern: str
    reason: str

    def allows(self, place: str) -> bool:
        """Tell whether a place is meant."""
        return fnmatchcase(place, self.pattern)


@dataclass(frozen=True, slots=True)
class Searchable:
    """What is searched for secret values at the end of a run.

    Attributes:
        directory: Logs, audit records and states, with everything below.
        process: The parent of every process of the environment.
        lawful: What may hold a value all the same.
    """

    directory: Path
    process: int
    lawful: tuple[Lawful, ...] = ()


@runtime_checkable
class SearchableEnvironment(Protocol):
    """What an environment offers whose files and processes can be searched."""

    def searchable(self) -> Searchable:
        """Return where to search.

        Raises:
            MitaError: It does not run.
        """
