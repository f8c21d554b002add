"""Asking a server over verified TLS whether it serves."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from environments.embedded.control_plane.authority import KeyPair

type Check = Callable[[], Awaitable[str | None]]

# A server that is busy starting may be slow; it is asked again anyway.
_ANSWER_SECONDS = 2.0
_OK = 200


class HttpsCheck:
    """A readiness check: None once a URL answers 200, otherwise what it said instead."""

    def __init__(self, url: str, authority: Path, client: KeyPair | None = None) -> None:
        """Prepare the check.

        Args:
            url: What to ask.
            authority: Who has signed the server's certificate.
            client: The certificate to show.
        """
        self.url = url
        self._tls = ssl.create_default_context(cafile=str(authority))
        if client is not None:
            self._tls.load_cert_chain(client.certificate, client.key)

    async def __call__(self) -> str | None:
        """Ask once."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.url, ssl=self._tls) as answer,
            ):
                if answer.status == _OK:
                    return None
                return f"{self.url} answered {answer.status}: {_failed(await answer.text())}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"{self.url} did not answer: {str(error) or type(error).__name__}"


def all_of(*checks: Check) -> Check:
    """Combine checks: None once every one says None, otherwise what the first of the others says."""

    async def check() -> str | None:
        for each in checks:
            if (missing := await each()) is not None:
                return missing
        return None

    return check


def _failed(body: str) -> str:
    # /readyz lists every check; the ones that hold it up begin with [-].
    failed = [line.removeprefix("[-]").split()[0] for line in body.splitlines() if line.startswith("[-]")]
    return ", ".join(failed) or body[:200].strip()
