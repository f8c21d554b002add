"""Phase 4: whom the application believes."""

from __future__ import annotations

import secrets
from datetime import timedelta

import jwt
import urllib3
from pydantic import SecretStr
from pytest_bdd import given, then, when

from steps.application import NAME, ask
from steps.focus import Focus
from steps.parameters import phrase
from steps.system import System, text_of
from steps.tokens import AUTHENTICATION, GUIDES_TEST, claims, present, signed

_SECRETS = {"the current secret": "auth/jwt-secret", "the previous secret": "auth/jwt-previous-secret"}
_ANSWERS = {"the current secret": "current", "the previous secret": "previous"}
_REFUSED = 401


@when("the guide's authentication test is made", target_fixture="answer")
def _guides_test(system: System, focus: Focus) -> urllib3.BaseHTTPResponse:
    focus.on("apps/v1", "Deployment", NAME, NAME)
    return ask(system, "POST", AUTHENTICATION, json=GUIDES_TEST)


@given(phrase("a token signed with {which:Known}", Known=_SECRETS), target_fixture="token")
def _signed_with(system: System, which: str) -> SecretStr:
    return signed(system, _key(system, which), lasting=timedelta(minutes=5))


@given("a token signed with an unknown secret", target_fixture="token")
def _signed_with_unknown(system: System) -> SecretStr:
    return signed(system, secrets.token_urlsafe(32), lasting=timedelta(minutes=5))


@given("a token signed with the current secret, but expired", target_fixture="token")
def _expired(system: System) -> SecretStr:
    return signed(system, _key(system, "the current secret"), lasting=timedelta(minutes=-5))


@given("a token signed with the current secret, then altered", target_fixture="token")
def _altered(system: System) -> SecretStr:
    genuine = signed(system, _key(system, "the current secret"), lasting=timedelta(minutes=5))
    other = signed(system, secrets.token_urlsafe(32), lasting=timedelta(minutes=6))
    header, _, signature = genuine.get_secret_value().split(".")
    return SecretStr(".".join((header, other.get_secret_value().split(".")[1], signature)))


@given("a token that is not signed at all", target_fixture="token")
def _unsigned() -> SecretStr:
    return SecretStr(jwt.encode(claims(timedelta(minutes=5)), "", algorithm="none"))


def _key(system: System, which: str) -> str:
    return text_of(system.stored(_SECRETS[which])["value"])


@when("the token is presented to the application", target_fixture="answer")
def _presented(system: System, focus: Focus, token: SecretStr) -> urllib3.BaseHTTPResponse:
    focus.on("apps/v1", "Deployment", NAME, NAME)
    return present(system, token)


@then(phrase("it is accepted as signed with {which:Known}", Known=_ANSWERS))
def _accepted(answer: urllib3.BaseHTTPResponse, which: str) -> None:
    assert answer.status == 200, f"it answers {answer.status}: {answer.data[:200]!r}"  # noqa: PLR2004  HTTP's OK
    told = answer.json()
    assert (told["authenticated"], told["key"]) == (True, _ANSWERS[which])
    assert told["issued_here"] is False, "it looked at a token of its own instead of the one presented"


@then(phrase("it is refused with status {status:d}"))
def _refused(answer: urllib3.BaseHTTPResponse, status: int) -> None:
    assert answer.status == status, f"it answers {answer.status}: {answer.data[:200]!r}"
    assert "authenticated" not in answer.json()
