"""Calls of AWS' stand-in that are brought into trouble."""

from __future__ import annotations

from pathlib import Path

from environments.disruption import Trouble
from environments.embedded.aws.faults import AwsFaults, Delay, Fault, Refuse


class TroubledCalls:
    """Faults of AWS' stand-in, cleared when the connection that set them closes.

    Args:
        socket: The run's socket for faults.
        trouble: What is to happen.

    Raises:
        NotReadyError: Nobody serves the socket.
    """

    def __init__(self, socket: Path, trouble: Trouble) -> None:
        self._faults = AwsFaults(socket)
        effects: list[Refuse | Delay] = []
        if trouble.seconds:
            effects.append(Delay(seconds=trouble.seconds, answer=trouble.served))
        if trouble.error:
            effects.append(Refuse(code=trouble.error, status=trouble.status))
        self._ids = [
            self._faults.add(
                Fault(
                    effect=effect,
                    service=trouble.service,
                    operation=trouble.operation,
                    principal=trouble.principal,
                    after=trouble.after,
                )
            )
            for effect in effects
        ]
        self._last = 0
        self._ended = False

    def struck(self) -> int:
        """Return how many calls it has hit."""
        if not self._ended:
            hits = [each.struck for each in self._faults.active() if each.id in self._ids]
            self._last = max(hits, default=self._last)
        return self._last

    def end(self) -> None:
        """Leave the calls alone again."""
        self.struck()
        self._ended = True
        self._faults.close()
