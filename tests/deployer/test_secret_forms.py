import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deployer.secret_forms import FORMS, GENERATED_FORMS, check, invent, is_placeholder


@pytest.mark.parametrize(
    "text",
    [
        "sk-YOUR_ACTUAL_OPENAI_API_KEY_HERE",
        "https://YOUR_ACTUAL_SENTRY_DSN@sentry.io/PROJECT_ID",
        "https://0123456789abcdef0123456789abcdef@sentry.io/PROJECT_ID",
        "YOUR_ACTUAL_SENDGRID_API_KEY",
        "mita-prod-db.cluster-xxx.us-east-1.rds.amazonaws.com",
        "mita-production-redis.xxx.cache.amazonaws.com",
        "changeme",
        "Change-Me",
        "xxx",
        "an-example-value",
        "<password>",
        "${DATABASE_PASSWORD}",
        "{{ password }}",
        "********",
        "",
        "   ",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "password",
        "TODO",
    ],
)
def test_placeholders_are_found(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text", ["apikey", "127.95.0.4", "db-1.internal.mita.finance", "mita_app", "5432", "smtp-test-relay"]
)
def test_real_values_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


@given(st.binary(min_size=32, max_size=48))
def test_random_values_are_hardly_ever_taken_for_placeholders(data: bytes) -> None:
    # Hypothesis likes degenerate bytes, which are rightly refused; mixed with real randomness nothing is.
    mixed = bytes(a ^ b for a, b in zip(data, secrets.token_bytes(len(data)), strict=True))
    assert not is_placeholder(base64.b64encode(mixed).decode())


@pytest.mark.parametrize("form", sorted(FORMS))
def test_an_invented_value_has_its_form(form: str) -> None:
    assert all(check(form, invent(form)) is None for _ in range(50))


@pytest.mark.parametrize("form", sorted(GENERATED_FORMS))
def test_generated_values_have_256_bits_and_differ(form: str) -> None:
    values = {invent(form).get_secret_value() for _ in range(50)}
    assert len(values) == 50
    for value in values:
        padded = value + "=" * (-len(value) % 4)
        assert len(base64.b64decode(padded, altchars=b"-_" if form == "token-256" else None)) >= 32


@pytest.mark.parametrize(
    ("form", "text", "fault"),
    [
        ("base64-256", base64.b64encode(bytes(range(31))).decode(), "only 248 bits long"),
        ("base64-256", "not base64 at all!", "not in that encoding"),
        ("base64-256", base64.b64encode(bytes(32)).decode(), "not random"),
        ("token-256", "a+b/" * 12, "not in that encoding"),
        ("token-256", secrets.token_urlsafe(16), "only 128 bits long"),
        ("openai-api-key", "sk-short", "another form"),
        ("openai-api-key", "pk-0123456789012345678901234", "another form"),
        ("sentry-dsn", "http://0123456789abcdef0123456789abcdef@sentry.io/1", "scheme"),
        ("sentry-dsn", "https://sentry.io/1", "public key"),
        ("sentry-dsn", "https://0123456789abcdef0123456789abcdef@/1", "host"),
        ("sentry-dsn", "https://0123456789abcdef0123456789abcdef@sentry.io/", "project"),
        ("sentry-dsn", "https://0123456789abcdef0123456789abcdef@sentry.io/1?a=b", "query"),
        ("sentry-dsn", "https://[", "URL"),
        ("smtp-username", "two words", "another form"),
        ("sendgrid-api-key", "SG.short.key", "another form"),
    ],
)
def test_a_malformed_value_is_told_without_being_shown(form: str, text: str, fault: str) -> None:
    seen = check(form, SecretStr(text))
    assert seen is not None
    assert fault in seen
    assert text not in seen
