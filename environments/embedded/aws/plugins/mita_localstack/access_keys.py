"""Access key ids that carry their account, as LocalStack reads them."""

from __future__ import annotations

import base64
import secrets

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_OFFSET = 1 << 39
_RANDOM = 7


def new_access_key(account: str, *, temporary: bool) -> str:
    """Make an access key id.

    Args:
        account: Account id, twelve digits.
        temporary: Whether it is of a session, which has a token as well.
    """
    number = int(account)
    coded = base64.b32encode((number // 2 + _OFFSET).to_bytes(5)).decode()
    # The first half of the alphabet stands for an even account id, the second for an odd one.
    parity = secrets.choice(_ALPHABET[16:] if number % 2 else _ALPHABET[:16])
    rest = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return ("LSIA" if temporary else "LKIA") + coded + parity + rest


def new_secret_key() -> str:
    """Make a secret access key."""
    return secrets.token_urlsafe(30)


def new_session_token() -> str:
    """Make a session token."""
    return secrets.token_urlsafe(96)
