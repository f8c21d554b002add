"""The rotation protocol of AWS Secrets Manager, once for every kind of secret.

Secrets Manager calls a function four times: createSecret, setSecret, testSecret and
finishSecret, each with the secret and the token of the pending version.  Any call may
come twice, late, beside another one, or die half-way.  What keeps that harmless:

- A step is done only for the version that carries AWSPENDING, and every step looks first
  at what is there already.
- Where a server holds a credential, all steps for it take turns (`Rotation.alone`).
- AWSCURRENT moves in one call that names the version that it is taken from, and that is
  the version that the new one was proven against.
"""

from __future__ import annotations

import enum
import json
import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import secrets_manager
from rotation_errors import ConfigurationError, EventError, RefusedError, RotationError, UnexpectedError
from secret_document import Fields, Version, now, serialise
from secrets_manager import CURRENT, PENDING, Description, Secret

_SHORTEST_TOKEN, _LONGEST_TOKEN = 32, 64


class Step(enum.StrEnum):
    """The steps of a rotation."""

    CREATE = "createSecret"
    SET = "setSecret"
    TEST = "testSecret"
    FINISH = "finishSecret"


@dataclass(frozen=True)
class Request:
    """One call by Secrets Manager."""

    step: Step
    secret: str
    token: str

    @classmethod
    def parse(cls, event: Any) -> Request:  # noqa: ANN401  whatever the function is called with
        """Check an event.

        Raises:
            EventError: It is none of a rotation.
        """
        known = event if isinstance(event, Mapping) else {}
        step, secret, token = (known.get(name) for name in ("Step", "SecretId", "ClientRequestToken"))
        steps = [each.value for each in Step]
        if step not in steps:
            raise _bad_event(f"Step, one of {', '.join(steps)}")
        if not isinstance(secret, str) or not secret:
            raise _bad_event("SecretId, a name or ARN")
        if not isinstance(token, str) or not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN:
            raise _bad_event("ClientRequestToken, 32 to 64 characters")
        return cls(Step(step), secret, token)


def _bad_event(expected: str) -> EventError:
    remedy = "Let Secrets Manager call this function: aws secretsmanager rotate-secret."
    return EventError("the event", expected=expected, seen="none or another", remedy=remedy)


class Rotation(ABC):
    """What differs from one kind of secret to the other."""

    def alone(self, secret: Secret, description: Description) -> AbstractContextManager[None]:  # noqa: ARG002
        """Keep every other run for the same credential from working until the block ends."""
        return nullcontext()

    @abstractmethod
    def create(self, current: Version) -> Fields:
        """Return the new value."""

    @abstractmethod
    def put_in_place(self, secret: Secret, current: Version, pending: Version) -> None:
        """Let both values be accepted where they are used; harmless to repeat."""

    @abstractmethod
    def prove(self, secret: Secret, current: Version, pending: Version) -> None:
        """Raise unless the pending value is accepted; changes nothing."""

    @abstractmethod
    def try_out(self, current: Version) -> None:
        """Raise unless a rotation could begin: the current value is accepted; changes nothing."""


def handle(event: Any, make: Callable[[Mapping[str, str], Secret], Rotation]) -> None:  # noqa: ANN401  from Lambda
    """Do one step of a rotation.

    Args:
        event: What Secrets Manager sent.
        make: Makes the rotation from the function's environment variables, for one secret.

    Raises:
        RotationError: It cannot be done; no text of it holds a secret value.
    """
    started = time.monotonic()
    facts: dict[str, Any] = {"event": "rotation-step"}
    try:
        request = Request.parse(event)
        facts |= {"step": request.step.value, "secret": request.secret, "version": request.token}
        _log(facts, outcome="started")
        secret = Secret(secrets_manager.client(), request.secret)
        outcome = _do(request, secret, make(os.environ, secret))
    except RotationError as error:
        _log(facts, outcome="failed", error=type(error).__name__, reason=str(error), started=started)
        raise
    except Exception as error:  # noqa: BLE001  told by its type: its text may hold a value
        places = [f"{each.filename}:{each.lineno}" for each in traceback.extract_tb(error.__traceback__)]
        _log(facts, outcome="failed", error=type(error).__name__, places=places, started=started)
        raise UnexpectedError(
            str(facts.get("step", "the event")),
            expected="to be done",
            seen=type(error).__name__,
            remedy=f"See {places[-1]}.",
        ) from None
    _log(facts, outcome=outcome, started=started)


def _do(request: Request, secret: Secret, rotation: Rotation) -> str:
    with rotation.alone(secret, secret.describe()):
        # Only now: before its turn came, another run may have changed everything.
        labels = _labels(secret.describe(), request.token)
        if CURRENT in labels:
            if request.step is Step.FINISH and PENDING in labels:
                secret.unlabel(request.token, PENDING)
            return "done before"
        current = secret.current()
        pending = secret.version(PENDING, request.token)
        if request.step is Step.CREATE:
            if pending is not None:
                return "done before"
            secret.add(request.token, serialise(rotation.create(current)), PENDING)
            return "done"
        if pending is None:
            raise RefusedError(
                f"version {request.token} of {request.secret}",
                expected="a value",
                seen="none yet",
                remedy="createSecret comes first.",
            )
        if request.step is Step.TEST and pending.text == current.text:
            # No rotation: Secrets Manager tries out a new configuration with the value that there is.
            rotation.try_out(current)
            return "tried out"
        if request.step is Step.SET:
            rotation.put_in_place(secret, current, pending)
        else:
            rotation.prove(secret, current, pending)
        if request.step is Step.FINISH:
            secret.promote(request.token, instead_of=current.id)
            secret.unlabel(request.token, PENDING)
        return "done"


def _labels(description: Description, token: str) -> frozenset[str]:
    subject = f"version {token} of {description.name}"
    if not description.rotates:
        remedy = "Enable it first: aws secretsmanager rotate-secret --rotation-rules ..."
        raise RefusedError(
            description.name, expected="rotation to be enabled", seen="it is not", remedy=remedy
        )
    labels = description.labels.get(token)
    if labels is None:
        remedy = "Let Secrets Manager begin the rotation, which makes the version."
        raise RefusedError(subject, expected="a version of that id", seen="none", remedy=remedy)
    if CURRENT not in labels and PENDING not in labels:
        seen = (
            f"{', '.join(sorted(labels)) or 'no label'}; {description.holder(PENDING) or 'no version'} has it"
        )
        remedy = "This rotation was given up or overtaken: begin a new one."
        raise RefusedError(subject, expected=f"the label {PENDING}", seen=seen, remedy=remedy)
    return labels


def setting(environment: Mapping[str, str], name: str, default: str | None = None) -> str:
    """Return an environment variable.

    Raises:
        ConfigurationError: It is not set, and there is no default.
    """
    value = environment.get(name) or default
    if value is None:
        remedy = "Set it in the function's configuration."
        raise ConfigurationError(name, expected="an environment variable", seen="none", remedy=remedy)
    return value


def number_setting(environment: Mapping[str, str], name: str, default: float) -> float:
    """Return an environment variable that is a number, not below zero.

    Raises:
        ConfigurationError: It is something else.
    """
    text = setting(environment, name, str(default))
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        remedy = "Set it in the function's configuration."
        raise ConfigurationError(name, expected="a number of seconds", seen=repr(text), remedy=remedy)
    return number


def _log(facts: Mapping[str, Any], *, started: float | None = None, **more: Any) -> None:  # noqa: ANN401  JSON
    spent = {} if started is None else {"milliseconds": round((time.monotonic() - started) * 1000)}
    sys.stdout.write(json.dumps({"time": now(), **facts, **more, **spent}) + "\n")
    sys.stdout.flush()
