"""Runs the application under uvicorn and ends it without failing a request."""

from __future__ import annotations

import time
from types import FrameType

import uvicorn

from reference_app import web
from reference_app.application import Application
from reference_app.logs import event


class Server(uvicorn.Server):
    """A uvicorn server that drains before it stops.

    On the first signal readiness turns off, while requests are still accepted until whoever routes them
    has taken note; then it stops accepting and finishes what is in flight.  A second signal ends the wait.
    """

    def __init__(self, application: Application) -> None:
        settings = application.settings
        config = uvicorn.Config(
            web.asgi(application),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.grace_seconds),
        )
        super().__init__(config)
        self._application = application
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  the signature is Python's
        """Begin to drain; the server's own tick, ten times a second, ends it."""
        if self._drained_at is None:
            self._application.draining = True
            self._drained_at = time.monotonic() + self._application.settings.drain_seconds
        else:
            self._drained_at = 0.0

    async def on_tick(self, counter: int) -> bool:
        """Tell uvicorn's main loop when to leave."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            event("draining done")
            return True
        return await super().on_tick(counter)
