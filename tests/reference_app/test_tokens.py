from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import jwt
import pytest

from reference_app.handover import NothingHeldError
from reference_app.reload import MissingKeyError
from reference_app.tokens import Tokens

CURRENT, PREVIOUS, OTHER = (secrets.token_urlsafe(64) for _ in range(3))


@dataclass
class Clock:
    now: float = 0.0


@pytest.fixture
async def tokens() -> Tokens:
    tokens = Tokens()
    await tokens.adopt({"jwt-secret": CURRENT, "jwt-previous-secret": PREVIOUS})
    return tokens


def _signed(key: str, *, algorithm: str = "HS256", **claims: object) -> str:
    return jwt.encode({"sub": "someone", **claims}, key, algorithm=algorithm)


def test_the_key_that_signed_is_told(tokens: Tokens) -> None:
    assert tokens.verify(_signed(CURRENT)) == "current"
    assert tokens.verify(_signed(PREVIOUS)) == "previous"
    assert tokens.verify(tokens.issue("someone")) == "current"


@pytest.mark.parametrize(
    "token",
    [
        _signed(OTHER),
        _signed(CURRENT, exp=int(time.time()) - 60),
        _signed("", algorithm="none"),
        _signed(CURRENT, algorithm="HS512"),
        "not a token",
        "",
    ],
    ids=["other key", "expired", "unsigned", "other algorithm", "garbage", "empty"],
)
def test_every_other_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(jwt.InvalidTokenError):
        tokens.verify(token)


async def test_rotation_makes_the_current_key_the_previous_one(tokens: Tokens) -> None:
    token = tokens.issue("someone")
    await tokens.adopt({"jwt-secret": OTHER, "jwt-previous-secret": CURRENT})
    assert tokens.verify(token) == "previous"
    await tokens.adopt({"jwt-secret": PREVIOUS, "jwt-previous-secret": OTHER})
    with pytest.raises(jwt.InvalidSignatureError):
        tokens.verify(token)


async def test_a_token_of_a_pod_that_was_first_is_accepted_by_those_that_come_later(tokens: Tokens) -> None:
    first, later = tokens, Tokens()
    await later.adopt({"jwt-secret": CURRENT, "jwt-previous-secret": PREVIOUS})
    await first.adopt({"jwt-secret": OTHER, "jwt-previous-secret": CURRENT})
    assert later.verify(first.issue("someone")) == "current"


async def test_a_new_key_signs_once_every_pod_has_had_the_time_to_learn_of_it() -> None:
    clock = Clock()
    tokens = Tokens(signing_delay=60, clock=lambda: clock.now)
    await tokens.adopt({"jwt-secret": CURRENT, "jwt-previous-secret": PREVIOUS})
    assert tokens.verify(tokens.issue("someone")) == "current", "nothing was signed with another key before"
    await tokens.adopt({"jwt-secret": OTHER, "jwt-previous-secret": CURRENT})
    assert tokens.verify(_signed(OTHER)) == "current", "it is accepted at once"
    clock.now = 59.9
    await tokens.adopt({"jwt-secret": OTHER, "jwt-previous-secret": CURRENT})
    assert tokens.verify(tokens.issue("someone")) == "previous"
    clock.now = 60.1
    assert tokens.verify(tokens.issue("someone")) == "current"


async def test_a_new_key_that_comes_without_the_one_before_signs_at_once(tokens: Tokens) -> None:
    await tokens.adopt({"jwt-secret": OTHER})
    assert tokens.verify(tokens.issue("someone")) == "current"


async def test_a_set_without_current_key_changes_nothing(tokens: Tokens) -> None:
    with pytest.raises(MissingKeyError):
        await tokens.adopt({"jwt-secret": "", "jwt-previous-secret": PREVIOUS})
    assert tokens.verify(_signed(CURRENT)) == "current"


async def test_without_keys_nothing_is_decided() -> None:
    tokens = Tokens()
    assert not tokens.usable
    with pytest.raises(NothingHeldError):
        tokens.issue("someone")
    with pytest.raises(NothingHeldError):
        tokens.verify(_signed(CURRENT))
