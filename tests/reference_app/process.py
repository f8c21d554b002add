"""Runs the application as the pod does: a process of its own, told everything by its environment."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.reference_app.mounts import MountedSecret

# Makes the kernel kill what the tests start when the tests themselves are killed.
MORTAL = ("setpriv", "--pdeathsig", "KILL")
FINGERPRINT_KEY = "the tests' own key"
KINDS = ("database", "cache", "auth", "app", "external", "notifications")


def fingerprint(value: str) -> str:
    """Compute what the application shows for a credential, independently of its code."""
    return hmac.new(FINGERPRINT_KEY.encode(), value.encode(), hashlib.sha256).hexdigest()[:16]


async def eventually(check: Callable[[], Awaitable[str | None]], *, seconds: float = 10.0) -> None:
    """Wait until a check returns None; after the deadline fail with what it said last."""
    deadline = time.monotonic() + seconds
    while (missing := await check()) is not None:
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {missing}"
        await asyncio.sleep(0.02)


@dataclass
class Answer:
    """One answer of the application."""

    status: int
    text: str

    @property
    def json(self) -> Any:  # noqa: ANN401  JSON
        return json.loads(self.text)


@dataclass
class ApplicationProcess:
    """A running application with its mounted secrets.

    Attributes:
        host: Address it listens on.
        directory: Where its secrets are mounted and its log is written.
        settings: More ``MITA_*`` variables.
        transcript: Every answer it gave, for the search for leaks.
    """

    host: str
    directory: Path
    settings: dict[str, str] = field(default_factory=dict)
    transcript: list[str] = field(default_factory=list)
    port: int = 8000

    def __post_init__(self) -> None:
        self.mounts = {kind: MountedSecret(self.directory / kind) for kind in KINDS}
        self.log = self.directory / "log"

    async def __aenter__(self) -> Self:
        environment = {
            "PATH": os.environ["PATH"],
            "MITA_HOST": self.host,
            "MITA_PORT": str(self.port),
            "MITA_FINGERPRINT_KEY": FINGERPRINT_KEY,
            "MITA_DRAIN_SECONDS": "0",
            **{f"MITA_{kind.upper()}_DIRECTORY": str(self.mounts[kind].path) for kind in KINDS},
            **self.settings,
        }
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *MORTAL, sys.executable, "-m", "reference_app", env=environment, stdout=log, stderr=log
            )
        self.session = aiohttp.ClientSession(f"http://{self.host}:{self.port}")
        try:
            await eventually(self._serving, seconds=30)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), 20)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise

    async def get(self, path: str) -> Answer:
        async with self.session.get(path) as response:
            return self._noted(Answer(response.status, await response.text()))

    async def post(self, body: str, *, token: str | None = None, authorization: str | None = None) -> Answer:
        header = f"Bearer {token}" if token is not None else authorization
        headers = {} if header is None else {"authorization": header}
        async with self.session.post("/api/auth/test", data=body, headers=headers) as response:
            return self._noted(Answer(response.status, await response.text()))

    async def metric(self, name: str, **labels: str) -> float | None:
        """Return one sample of ``/metrics``, or None where there is none."""
        wanted = sorted(labels.items())
        for line in (await self.get("/metrics")).text.splitlines():
            found, _, rest = line.partition("{")
            if found.split(" ")[0] != name:
                continue
            inner, _, value = rest.rpartition("} ")
            pairs = [pair.split("=", 1) for pair in inner.split(",")] if inner else []
            if sorted((key, quoted.strip('"')) for key, quoted in pairs) == wanted:
                return float(value or line.split(" ")[1])
        return None

    async def uses(self, kind: str, key: str, value: str, *, seconds: float = 5.0) -> None:
        """Wait until the application says that it uses a credential."""

        async def check() -> str | None:
            shown = await self.metric(
                "mita_credential_info", kind=kind, key=key, fingerprint=fingerprint(value)
            )
            return None if shown == 1 else f"{kind}/{key} is not in use"

        await eventually(check, seconds=seconds)

    async def ready(self, *, seconds: float = 10.0) -> None:
        """Wait until the application is ready."""

        async def check() -> str | None:
            answer = await self.get("/health/ready")
            return None if answer.status == 200 else answer.text

        await eventually(check, seconds=seconds)

    def events(self) -> list[dict[str, Any]]:
        """Return its log, which has to be JSON lines and nothing else."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def _noted(self, answer: Answer) -> Answer:
        self.transcript.append(answer.text)
        return answer

    async def _serving(self) -> str | None:
        assert self.process.returncode is None, (
            f"ended with {self.process.returncode}: {self.log.read_text()}"
        )
        try:
            answer = await self.get("/health")
        except aiohttp.ClientError as error:
            return repr(error)
        return None if answer.status == 200 else answer.text
