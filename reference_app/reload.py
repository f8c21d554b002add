"""Follows one mounted secret and hands every new generation to what uses it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from reference_app import mounted
from reference_app.logs import event, reason
from reference_app.metrics import Metrics
from reference_app.settings import Kind

_FIRST_RETRY_SECONDS = 0.2
_LONGEST_RETRY_SECONDS = 2.0


class MissingKeyError(Exception):
    """A mounted secret lacks a key, or holds nothing under it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.missing_key = key


def required(values: Mapping[str, str], key: str) -> str:
    """Return the value under a key.

    Raises:
        MissingKeyError: There is none, or it is empty.
    """
    value = values.get(key)
    if not value:
        raise MissingKeyError(key)
    return value


class Consumer(Protocol):
    """Something that works with one kind of credentials and can change them while it is used."""

    @property
    def login_errors(self) -> tuple[type[Exception], ...]:
        """The errors that mean: the server knows these credentials and refuses them."""

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        """Check new values and take them into use; on any error the ones before stay in use.

        Returns:
            The credentials now in use by key, for fingerprints.
        """


class Reloader:
    """Keeps one consumer on the mounted generation of its credentials.

    A generation that is refused is tried again with a growing pause, and at once when the next one
    comes; until then the consumer stays with what it has.
    """

    def __init__(
        self, kind: Kind, directory: Path, consumer: Consumer, metrics: Metrics, *, poll_seconds: float
    ) -> None:
        self._kind = kind
        self._directory = directory
        self._consumer = consumer
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._lock = asyncio.Lock()
        self._attempts = 0
        self._applied: mounted.Generation | None = None
        self._refusal: tuple[str, str] | None = None

    async def follow(self) -> None:
        """Take every generation into use as it appears; runs until it is cancelled.

        Reading one symbolic link ten times a second costs less than a file-system watch and its
        thread, and behaves the same on every file system.
        """
        loop = asyncio.get_running_loop()
        seen: str | None = None
        pause, due = _FIRST_RETRY_SECONDS, 0.0
        while True:
            name = mounted.marker(self._directory)
            if name != seen:
                seen, pause, due = name, _FIRST_RETRY_SECONDS, 0.0
            if not self._uses(name) and loop.time() >= due and not await self.reload():
                due = loop.time() + pause
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
            await asyncio.sleep(self._poll_seconds)

    async def reload(self) -> bool:
        """Read the mounted generation and take it into use; tells whether that worked."""
        async with self._lock:
            return await self._reload()

    async def attempt[T](self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run an operation, and once more with freshly read credentials when its login is refused.

        Of many operations refused at the same time one reads the credentials anew, the others wait for it.
        """
        attempts = self._attempts
        try:
            return await operation()
        except self._consumer.login_errors as error:
            self._metrics.login_failures.labels(self._kind).inc()
            async with self._lock:
                if attempts == self._attempts:
                    event("login refused", level=logging.WARNING, kind=self._kind, error=reason(error))
                    await self._reload()
        return await operation()

    def _uses(self, name: str) -> bool:
        return self._applied is not None and self._applied.marker == name

    async def _reload(self) -> bool:
        try:
            generation = mounted.read(self._directory)
            in_use = await self._consumer.adopt(generation.values)
        except Exception as error:  # noqa: BLE001  whatever is wrong with the new credentials, the old ones stay
            if isinstance(error, self._consumer.login_errors):
                self._metrics.login_failures.labels(self._kind).inc()
            self._refused(reason(error))
            return False
        finally:
            self._attempts += 1
        self._applied, self._refusal = generation, None
        self._metrics.credential_applied(self._kind, in_use)
        event("credentials applied", kind=self._kind, generation=generation.marker)
        return True

    def _refused(self, why: str) -> None:
        self._metrics.credential_refused(self._kind)
        refusal = (mounted.marker(self._directory), why)
        if refusal != self._refusal:  # every attempt is counted, but only news is logged
            self._refusal = refusal
            event("credentials refused", level=logging.WARNING, kind=self._kind, error=why)
