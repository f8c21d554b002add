"""Secret values compared and shown without being shown."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from pydantic import SecretStr

SHOWN_DIGITS = 12  # 48 bits tell a handful of values apart and give nothing away


class Fingerprints:
    """Keyed digests of secret values, good for comparisons within one run.

    The key is born with the object and never leaves it: a fingerprint in a log can
    neither be matched with one of another run nor be searched for by guessing values.
    Only an application whose own fingerprints are to be compared is given a key to share,
    made for one run.
    """

    def __init__(self, key: SecretStr | None = None) -> None:
        self._key = secrets.token_bytes(32) if key is None else key.get_secret_value().encode()

    def of(self, value: SecretStr | str | bytes) -> str:
        """Return the HMAC-SHA256 of a value, in hexadecimal."""
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if isinstance(value, str):
            value = value.encode()
        return hmac.new(self._key, value, hashlib.sha256).hexdigest()

    def short(self, value: SecretStr | str | bytes) -> str:
        """Return the beginning of the fingerprint, for people to compare."""
        return self.of(value)[:SHOWN_DIGITS]

    def same(self, one: SecretStr | str | bytes, other: SecretStr | str | bytes) -> bool:
        """Tell in constant time whether two values are equal."""
        return hmac.compare_digest(self.of(one), self.of(other))
