"""What a host and its clients tell each other: one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

from deployer import errors
from deployer.errors import MitaError
from deployer.progress import Step

type Message = dict[str, Any]

DETACH = b"detach\n"
"""What a client sends before it leaves a host that is to go on."""


def encode(message: Message) -> bytes:
    """Write a message as one line."""
    return json.dumps(message).encode() + b"\n"


def of_step(step: Step) -> Message:
    """Make a message of a step of progress."""
    return {
        "kind": "step",
        "subject": step.subject,
        "state": step.state,
        "detail": step.detail,
        "fraction": step.fraction,
    }


def step(message: Message) -> Step:
    """Read a step of progress."""
    return Step(message["subject"], message["state"], message["detail"], message["fraction"])


def of_error(error: MitaError) -> Message:
    """Make a message of an error."""
    return {
        "kind": "error",
        "type": type(error).__name__,
        "subject": error.subject,
        "expected": error.expected,
        "seen": error.seen,
        "remedy": error.remedy,
    }


def error(message: Message) -> MitaError:
    """Read an error; one whose class is not known everywhere becomes the general one."""
    known = getattr(errors, message["type"], MitaError)
    explained: MitaError = known(
        message["subject"], expected=message["expected"], seen=message["seen"], remedy=message["remedy"]
    )
    return explained
