"""Signs and verifies JSON Web Tokens with the current secret, and verifies with the previous one too."""

from __future__ import annotations

import time
from collections.abc import Mapping

import jwt

from reference_app.handover import NothingHeldError
from reference_app.reload import required

_ALGORITHM = "HS256"
_LIFETIME_SECONDS = 300


class Tokens:
    """The keys in use.  Sessions survive a rotation because the previous key goes on being accepted."""

    login_errors: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        self._keys: dict[str, str] = {}

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        """Take ``jwt-secret`` and, where there is one, ``jwt-previous-secret``."""
        keys = {"current": required(values, "jwt-secret")}
        if values.get("jwt-previous-secret"):
            keys["previous"] = values["jwt-previous-secret"]
        self._keys = keys
        return {
            "jwt-secret" if name == "current" else "jwt-previous-secret": key for name, key in keys.items()
        }

    @property
    def usable(self) -> bool:
        """Whether there is a key yet."""
        return bool(self._keys)

    def issue(self, subject: str) -> str:
        """Return a token for a subject, signed with the current key and valid for five minutes.

        Raises:
            NothingHeldError: There is no key yet.
        """
        if not self._keys:
            raise NothingHeldError
        now = int(time.time())
        claims = {"sub": subject, "iat": now, "exp": now + _LIFETIME_SECONDS}
        return jwt.encode(claims, self._keys["current"], algorithm=_ALGORITHM)

    def verify(self, token: str) -> str:
        """Tell which key signed a token: ``current`` or ``previous``.

        Raises:
            NothingHeldError: There is no key yet.
            jwt.InvalidTokenError: Neither did, or it is expired or not a token.
        """
        if not self._keys:
            raise NothingHeldError
        refusal: jwt.InvalidTokenError | None = None
        for name, key in self._keys.items():
            try:
                jwt.decode(token, key, algorithms=[_ALGORITHM])
            except jwt.InvalidSignatureError as error:
                refusal = error
            else:
                return name
        raise refusal or jwt.InvalidTokenError
