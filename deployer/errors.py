"""The one error that users are meant to read."""

from __future__ import annotations


class MitaError(Exception):
    """A failure explained to the person who has to act on it.

    Printed by the command line as four short lines, never as a traceback.  Every
    part is free of secret values: name the object, not what it holds.

    Attributes:
        subject: The object that the failure is about, by its usual name.
        expected: What had to hold.
        seen: What was found instead.
        remedy: What to do next.
    """

    def __init__(self, subject: str, *, expected: str, seen: str, remedy: str) -> None:
        super().__init__(subject, expected, seen, remedy)
        self.subject = subject
        self.expected = expected
        self.seen = seen
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}; seen {self.seen}. {self.remedy}"


class ConfigurationError(MitaError):
    """Something that the user wrote, or asked for, cannot be used as it stands."""


class MissingToolError(MitaError):
    """A program is absent or in a version that does not serve."""


class NotReadyError(MitaError):
    """Something did not become ready within its deadline, or ended before it was."""


class RefusedError(MitaError):
    """An action that is possible but not allowed here without being named."""
