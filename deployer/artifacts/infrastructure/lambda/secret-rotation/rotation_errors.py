"""Why a step of a rotation was not done, in words that hold no secret value."""

from __future__ import annotations


class RotationError(Exception):
    """A step that cannot be done, explained without any secret value.

    Lambda reports the class as the error's type and the text as its message.
    """

    def __init__(self, subject: str, *, expected: str, seen: str, remedy: str) -> None:
        super().__init__(f"{subject}: expected {expected}; seen {seen}. {remedy}")


class ConfigurationError(RotationError):
    """The function's environment variables do not serve."""


class InvalidSecretError(RotationError):
    """A secret's value has not the fields that it must have."""


class EventError(RotationError):
    """The function was called with something else than a rotation's step."""


class RefusedError(RotationError):
    """The step is not to be done in the state that the secret is in."""


class ChangedMeanwhileError(RotationError):
    """Another rotation did something between two looks; to be tried again."""


class ServiceError(RotationError):
    """Secrets Manager refused a call, or could not be reached."""


class UnexpectedError(RotationError):
    """Anything that was not foreseen; its text is kept back, because it may hold a value."""


class BusyError(RotationError):
    """Another run has its turn, and takes long."""


class UnreachableError(RotationError):
    """The server that the credential is for does not answer, or refuses the administrator."""


class SessionsOpenError(RotationError):
    """The login whose password is to change is still in use."""


class NotAcceptedError(RotationError):
    """The pending value is not accepted where it is to be used."""
