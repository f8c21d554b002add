"""Puts the parts together: credentials with their consumers, and the tasks that keep them current."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from reference_app.cache import Cache
from reference_app.database import Database
from reference_app.handover import NothingHeldError
from reference_app.logs import event, forgotten_error
from reference_app.metrics import Fingerprints, Metrics
from reference_app.opaque import Opaque
from reference_app.reload import Consumer, Reloader
from reference_app.settings import Kind, Settings
from reference_app.tokens import Tokens

_CHECK_SECONDS = 3.0


class Application:
    """The running application.

    Attributes:
        settings: How it was started.
        metrics: What it tells Prometheus.
        tokens: Signs and verifies tokens.
        draining: Whether it was asked to end and only finishes what comes in meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics(Fingerprints(settings.fingerprint_key))
        self.tokens = Tokens()
        self.draining = False
        self._started = time.monotonic()
        self._database = Database()
        self._cache = Cache()
        consumers: dict[Kind, Consumer] = {
            Kind.DATABASE: self._database,
            Kind.CACHE: self._cache,
            Kind.AUTH: self.tokens,
            Kind.APP: Opaque("secret-key"),
            Kind.EXTERNAL: Opaque("openai-api-key", "sentry-dsn"),
            Kind.NOTIFICATIONS: Opaque("password"),
        }
        self._reloaders = {
            kind: Reloader(
                kind, settings.directories[kind], consumer, self.metrics, poll_seconds=settings.poll_seconds
            )
            for kind, consumer in consumers.items()
        }

    @property
    def uptime_seconds(self) -> float:
        """Seconds since the process began to serve."""
        return time.monotonic() - self._started

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the mounted credentials until the end of the block, then close every connection.

        Does not wait for a server to be there: the process serves ``/health`` at once and is ready later.
        """
        asyncio.get_running_loop().set_exception_handler(forgotten_error)
        tasks = [asyncio.create_task(reloader.follow()) for reloader in self._reloaders.values()]
        event("started", version=self.settings.version, environment=self.settings.environment)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(self._database.close(), self._cache.close(), return_exceptions=True)
            event("stopped")

    async def readiness(self) -> dict[str, str]:
        """Check each part with the credentials in use; tells ``ok`` or what is wrong, by part."""
        database, cache = await asyncio.gather(
            self._checked(Kind.DATABASE, self._database), self._checked(Kind.CACHE, self._cache)
        )
        auth = "ok" if self.tokens.usable else "no credentials accepted yet"
        return {"database": database, "cache": cache, "auth": auth}

    async def _checked(self, kind: Kind, part: Database | Cache) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._reloaders[kind].attempt(part.check)
        except NothingHeldError:
            return "no credentials accepted yet"
        except part.login_errors:
            return "login refused"
        except TimeoutError:
            return "timed out"
        except Exception as error:  # noqa: BLE001  whatever else is wrong, the part does not answer
            return f"unavailable: {type(error).__name__}"
        return "ok"
