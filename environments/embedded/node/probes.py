"""When a probe asks, and what its answers amount to."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from environments.embedded.node.api import Object

_EAGER_GROWTH = 1.5
_EAGER_LONGEST_SECONDS = 1.0


class ProbeKind(enum.Enum):
    """What a probe is for; the value is the word that events use."""

    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


@dataclass(slots=True)
class Threshold:
    """Counts equal answers in a row.

    Attributes:
        success: How many make a success.
        failure: How many make a failure.
    """

    success: int
    failure: int
    _last: bool | None = None
    _run: int = 0

    def note(self, succeeded: bool) -> bool | None:
        """Count an answer and return the verdict, or None while the row is too short for one."""
        self._run = self._run + 1 if succeeded == self._last else 1
        self._last = succeeded
        needed = self.success if succeeded else self.failure
        return succeeded if self._run >= needed else None


@dataclass(slots=True, kw_only=True)
class Probe:
    """One probe of a running container.

    Until it has succeeded once, a startup or readiness probe also asks in between its
    times, from the start and in growing pauses: the delays in charts are made for
    containers on busy clusters, and a local program is ready long before.  Such an extra
    question can only find the container ready; its failure does not count.

    Attributes:
        kind: What it is for.
        spec: The probe of the container's spec.
        ask: Asks once, within some seconds; returns None or what went wrong.
        verdict: Told each verdict.
        failed: Told what went wrong each time that it counts.
        eager: First pause of the extra questions in seconds; None for none, as the kubelet.
    """

    kind: ProbeKind
    spec: Object
    ask: Callable[[float], Awaitable[str | None]]
    verdict: Callable[[bool], None]
    failed: Callable[[str], None]
    eager: float | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        loop = asyncio.get_running_loop()
        threshold = Threshold(self.spec.get("successThreshold") or 1, self.spec.get("failureThreshold") or 3)
        due = loop.time() + (self.spec.get("initialDelaySeconds") or 0)
        pause = None if self.kind is ProbeKind.LIVENESS else self.eager
        while True:
            left = max(due - loop.time(), 0)
            # Not asked of the clock afterwards: a sleep may end a little early, and the question is due.
            counts = pause is None or left <= pause
            await asyncio.sleep(left if pause is None else min(left, pause))
            problem = await self.ask(self.spec.get("timeoutSeconds") or 1)
            if problem is None:
                pause = None
            elif counts:
                self.failed(problem)
            if pause is not None:
                pause = min(pause * _EAGER_GROWTH, _EAGER_LONGEST_SECONDS)
            if counts:
                due = max(due + (self.spec.get("periodSeconds") or 10), loop.time())
            if problem is None or counts:
                self._conclude(threshold.note(problem is None))

    def _conclude(self, verdict: bool | None) -> None:
        if verdict is not None:
            self.verdict(verdict)
