"""Signs and verifies JSON Web Tokens with the current secret, and verifies with the previous one too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import jwt

from reference_app.handover import NothingHeldError
from reference_app.reload import required

_ALGORITHM = "HS256"
_LIFETIME_SECONDS = 300
SIGNING_DELAY_SECONDS = 120.0
"""A kubelet looks at mounted secrets once a minute, and may take another to see a change."""


class Tokens:
    """The keys in use.  Sessions survive a rotation because the previous key goes on being accepted.

    A new key is accepted at once but signs only after a delay: pods learn of it one after the other,
    and one that does not know it yet would refuse what it signed.

    Args:
        signing_delay: Seconds; longer than any pod may take to learn of a key.
        clock: Seconds that only go forward.
    """

    login_errors: tuple[type[Exception], ...] = ()

    def __init__(
        self, signing_delay: float = SIGNING_DELAY_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keys: dict[str, str] = {}
        self._signing_delay = signing_delay
        self._clock = clock
        self._signs_from = 0.0

    async def adopt(self, values: Mapping[str, str]) -> dict[str, str]:
        """Take ``jwt-secret`` and, where there is one, ``jwt-previous-secret``."""
        keys = {"current": required(values, "jwt-secret")}
        if values.get("jwt-previous-secret"):
            keys["previous"] = values["jwt-previous-secret"]
        if self._keys.get("current", keys["current"]) != keys["current"]:
            self._signs_from = self._clock() + self._signing_delay
        self._keys = keys
        return {
            "jwt-secret" if name == "current" else "jwt-previous-secret": key for name, key in keys.items()
        }

    @property
    def usable(self) -> bool:
        """Whether there is a key yet."""
        return bool(self._keys)

    def issue(self, subject: str) -> str:
        """Return a token for a subject, valid for five minutes.

        It is signed with the current key; with the previous one while the current one is new.

        Raises:
            NothingHeldError: There is no key yet.
        """
        if not self._keys:
            raise NothingHeldError
        now = int(time.time())
        claims = {"sub": subject, "iat": now, "exp": now + _LIFETIME_SECONDS}
        current = self._keys["current"]
        key = current if self._clock() >= self._signs_from else self._keys.get("previous", current)
        return jwt.encode(claims, key, algorithm=_ALGORITHM)

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
