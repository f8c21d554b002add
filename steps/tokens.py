"""Tokens as users of the application hold them: signed, and presented to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import urllib3
from pydantic import SecretStr

from steps.application import ask
from steps.system import System

AUTHENTICATION = "/api/auth/test"
GUIDES_TEST = {"test": True}


def claims(lasting: timedelta) -> dict[str, object]:
    """Return the claims of a token that expires after some time."""
    now = datetime.now(UTC)
    return {"sub": "acceptance", "iat": now - timedelta(minutes=10), "exp": now + lasting}


def signed(system: System, key: str, *, lasting: timedelta = timedelta(minutes=30)) -> SecretStr:
    """Return a token that is signed with a key."""
    token = SecretStr(jwt.encode(claims(lasting), key, algorithm="HS256"))
    system.on_secret("a token of a scenario", token)
    return token


def present(system: System, token: SecretStr, *, on_new_connection: bool = False) -> urllib3.BaseHTTPResponse:
    """Ask the application whether it believes a token.

    Args:
        system: The system under test.
        token: The token.
        on_new_connection: Whether any pod may answer, and not the one that answered before.
    """
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    if on_new_connection:
        headers["Connection"] = "close"
    return ask(system, "POST", AUTHENTICATION, json=GUIDES_TEST, headers=headers)
