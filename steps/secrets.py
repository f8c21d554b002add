"""Phase 3: the values of the secrets as they are stored, and their connection strings."""

from __future__ import annotations

import base64
from collections import Counter
from urllib.parse import unquote, urlsplit

from psycopg2.extensions import parse_dsn
from pydantic import SecretStr
from pytest_bdd import given, then, when
from redis import ConnectionPool

from deployer.secret_forms import invent, is_placeholder
from deployer.shapes import Fields, compose
from steps.parameters import names, phrase
from steps.system import System, text_of

_BITS = 256
_UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986
_CONNECTION_STRINGS = {"database": "database/primary", "cache": "cache/redis-auth"}
_CHARACTERS = {"a slash": "/", "a plus sign": "+", "an at sign": "@", "a percent sign": "%41"}

Values = dict[str, Fields]


# ---- what is stored


@when("the values in Secrets Manager are examined", target_fixture="values")
def _values_examined(system: System) -> Values:
    return {secret.name: system.stored(secret.name) for secret in system.desired.secrets}


@then("each secret has exactly these fields:")
def _fields_are(values: Values, datatable: list[list[str]]) -> None:
    documented = {secret: set(names(fields)) for secret, fields in datatable[1:]}
    assert {secret: set(fields) for secret, fields in values.items()} == documented


@then("every generated value has at least 256 bits")
def _strong(system: System, values: Values) -> None:
    checked = 0
    for secret in system.desired.secrets:
        for name, field in secret.fields.items():
            if field.generate is not None:
                text = text_of(values[secret.name][name])
                bits = 8 * len(base64.b64decode(text + "=" * (-len(text) % 4), altchars=_alphabet(text)))
                assert bits >= _BITS, f"{secret.name}.{name} has {bits} bits"
                checked += 1
    assert checked, "no value is generated"


def _alphabet(text: str) -> bytes:
    return b"-_" if {"-", "_"} & set(text) else b"+/"


@then("no confidential value is there twice")
def _unique(system: System, values: Values) -> None:
    seen = Counter(
        system.fingerprints.of(value)
        for secret in system.desired.secrets
        for name in secret.confidential()
        if isinstance(value := values[secret.name][name], SecretStr)
    )
    twice = [fingerprint for fingerprint, count in seen.items() if count > 1]
    assert not twice, f"{len(twice)} values are there more than once"


@then("no value is a placeholder")
def _no_placeholder(values: Values) -> None:
    bad = [
        f"{secret}.{name}"
        for secret, fields in values.items()
        for name, value in fields.items()
        if is_placeholder(text_of(value))
    ]
    assert not bad, f"placeholders: {', '.join(bad)}"


# ---- connection strings


@then("each connection string, taken apart, gives the parts of its secret")
def _agrees_with_parts(system: System, values: Values) -> None:
    for secret in _CONNECTION_STRINGS.values():
        fields = values[secret]
        read = _as_clients_read(secret, text_of(fields["connection_string"]))
        assert read, f"nothing can be read out of the connection string of {secret}"
        wrong = [
            name for name, text in read.items() if not system.fingerprints.same(text, text_of(fields[name]))
        ]
        assert not wrong, f"the connection string of {secret} has another {', '.join(wrong)}"


@then("what has a meaning in an address is percent-encoded in it")
def _percent_encoded(values: Values) -> None:
    for secret in _CONNECTION_STRINGS.values():
        written = urlsplit(text_of(values[secret]["connection_string"])).netloc.rpartition("@")[0]
        bare = set(written) - _UNRESERVED - {":", "%"}
        assert not bare, f"the login in the connection string of {secret} has {sorted(bare)} as they are"
        login, _, password = written.partition(":")
        assert ":" not in password, f"the password in the connection string of {secret} has a bare colon"
        assert unquote(login) == text_of(values[secret].get("username", SecretStr("")))


def _as_clients_read(secret: str, connection_string: str) -> dict[str, str]:
    """Take a connection string apart as libpq or redis-py does; a field's name for each part."""
    if secret == "cache/redis-auth":  # noqa: S105  a name
        parts = ConnectionPool.from_url(connection_string).connection_kwargs
        return {name: str(parts[name]) for name in ("password", "host", "port")}
    parts = parse_dsn(connection_string.replace("postgresql+asyncpg://", "postgresql://"))
    renamed = {
        "username": "user",
        "password": "password",
        "host": "host",
        "port": "port",
        "database": "dbname",
    }
    return {name: parts.get(part, "") for name, part in renamed.items()}


@given(phrase("a password with {character}"), target_fixture="password")
def _password_with(character: str) -> SecretStr:
    form = invent("base64-256").get_secret_value()
    return SecretStr(form[:20] + _CHARACTERS[character] + form[20:])


@when(phrase("the {service:Words} connection string is composed"), target_fixture="composed")
def _composed(system: System, password: SecretStr, service: str) -> tuple[str, Fields]:
    secret = system.desired.secret(_CONNECTION_STRINGS[service])
    facts: dict[str, str | int] = {f"{service}.host": "db.mita.finance", f"{service}.port": 5432}
    kept = {"password": password}
    return secret.name, compose(secret, kept=kept, facts=facts, supplied={}, invent=invent)


@then("a client reads the same password out of it")
def _same_password(system: System, password: SecretStr, composed: tuple[str, Fields]) -> None:
    secret, fields = composed
    read = _as_clients_read(secret, text_of(fields["connection_string"]))["password"]
    assert system.fingerprints.same(read, password), "the client reads another password"
