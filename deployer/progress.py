"""How long work tells what it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that long work began, advanced or ended.

    Attributes:
        subject: What is being worked on, for example ``kube-apiserver``.
        state: ``started``, ``progress``, ``done`` or ``failed``.
        detail: A short remark for a person; never a secret value.
        fraction: How much is done, 0 to 1, where it can be known.
    """

    subject: str
    state: str
    detail: str = ""
    fraction: float | None = None


class Progress(Protocol):
    """Receives the steps of long work; the command line draws them, tests collect them."""

    def __call__(self, step: Step, /) -> None:
        """Take note of one step; must return quickly and must not raise."""


def silent(_step: Step, /) -> None:
    """Drop every step: the Progress of callers that have nobody to tell."""
