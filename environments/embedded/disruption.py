"""Disruptions of the embedded environment's servers, functions and AWS calls."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from environments.disruption import Server, Trouble
from environments.embedded.aws.faults import AwsFaults, Delay, Fault, Refuse
from environments.embedded.control_plane.servers import API_SERVER
from environments.embedded.databases import postgresql, valkey
from environments.embedded.processes.sweep import stragglers

_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME"

PROCESSES = {Server.DATABASE: postgresql.NAME, Server.CACHE: valkey.NAME, Server.CLUSTER: API_SERVER}
"""Names that the host has for the servers."""


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
        effects: list[Refuse | Delay] = [Delay(seconds=trouble.seconds)] if trouble.seconds else []
        if trouble.error:
            effects.append(Refuse(code=trouble.error, status=trouble.status))
        self._ids = [
            self._faults.add(
                Fault(
                    effect=effect,
                    service=trouble.service,
                    operation=trouble.operation,
                    principal=trouble.principal,
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


def end_function(run_id: str, name: str) -> int:
    """End the processes of a run that a function runs in, and return how many there were."""
    ended = 0
    for process in stragglers(run_id):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(_FUNCTION) == name:
                process.kill()
                ended += 1
    return ended
