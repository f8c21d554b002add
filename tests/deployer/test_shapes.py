import base64
import json
from urllib.parse import unquote, urlsplit

import psycopg2.extensions
import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deployer.desired import Desired, read
from deployer.desired_secrets import DesiredSecret
from deployer.secret_forms import invent
from deployer.shapes import Facts, Fields, Severity, compose, derived, findings, missing, parse, serialise

DESIRED: Desired = read()
DATABASE = DESIRED.secret("database/primary")
CACHE = DESIRED.secret("cache/redis-auth")
SMTP = DESIRED.secret("notifications/smtp-credentials")
FACTS: Facts = {
    "database.host": "db.mita.internal",
    "database.port": 5432,
    "cache.host": "cache.mita.internal",
    "cache.port": 6379,
}
SMTP_VALUES = {"username": SecretStr("apikey"), "password": invent("sendgrid-api-key")}
passwords = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


def made(secret: DesiredSecret) -> Fields:
    supplied = {
        name: invent(field.supply) for name, field in secret.fields.items() if field.supply is not None
    }
    return compose(secret, kept={}, facts=FACTS, supplied=supplied, invent=invent)


def text(fields: Fields, name: str) -> str:
    value = fields[name]
    assert isinstance(value, SecretStr)
    return value.get_secret_value()


@pytest.mark.parametrize("secret", DESIRED.secrets, ids=lambda secret: secret.name)
def test_a_composed_value_has_its_documented_shape(secret: DesiredSecret) -> None:
    fields = made(secret)
    assert fields.keys() == secret.fields.keys()
    assert findings(secret, fields, FACTS) == []


def test_what_is_stored_is_the_guides_json() -> None:
    data = json.loads(serialise(made(DATABASE)).get_secret_value())
    assert data["port"] == 5432
    assert data["username"] == "mita_app"
    assert data["connection_string"].startswith("postgresql+asyncpg://mita_app:")
    assert data["connection_string"].endswith("@db.mita.internal:5432/mita")


@given(passwords)
def test_every_parser_reads_the_password_back_from_the_connection_string(password: str) -> None:
    fields = dict(made(DATABASE)) | {"password": SecretStr(password)}
    url = derived("postgresql://{username}:{password}@{host}:{port}/{database}", fields).get_secret_value()
    assert unquote(urlsplit(url).password or "") == password
    assert psycopg2.extensions.parse_dsn(url)["password"] == password
    _, parameters = connect_utils._parse_connect_dsn_and_args(  # type: ignore[attr-defined]  # private, and not in the stubs
        dsn=url, host=None, port=None, user=None, password=None, passfile=None, database=None, ssl=None,
        direct_tls=None, server_settings=None, target_session_attrs=None, krbsrvname=None, gsslib=None,
        service=None, servicefile=None,
    )  # fmt: skip
    assert parameters.password == password
    assert parameters.database == "mita"


def test_base64_passwords_are_encoded() -> None:
    password = base64.b64encode(b"\xfb\xff\xbf" * 11).decode()
    assert {"+", "/"} <= set(password)
    url = derived("redis://:{password}@h:1/0", {"password": SecretStr(password)}).get_secret_value()
    assert "+" not in url
    assert urlsplit(url).path == "/0"


@given(passwords)
def test_serialising_and_parsing_are_inverse(password: str) -> None:
    fields: Fields = {"password": SecretStr(password), "port": 5432}
    assert parse(serialise(fields).get_secret_value()) == fields


@pytest.mark.parametrize(
    "stored", ["", "plain", "[]", '"x"', '{"a": null}', '{"a": {"b": 1}}', '{"a": true}']
)
def test_what_is_no_object_of_texts_and_numbers_is_not_parsed(stored: str) -> None:
    assert parse(stored) is None


@pytest.mark.parametrize(
    ("secret", "change", "severity"),
    [
        (DATABASE, {"password": SecretStr("changeme")}, Severity.REPLACE),
        (DATABASE, {"password": SecretStr("c2hvcnQ=")}, Severity.REPLACE),
        (DATABASE, {"username": SecretStr("postgres")}, Severity.REPLACE),
        (DATABASE, {"host": SecretStr("elsewhere")}, Severity.DERIVE),
        (DATABASE, {"port": 1}, Severity.DERIVE),
        (DATABASE, {"connection_string": SecretStr("postgresql://x")}, Severity.DERIVE),
        (DESIRED.secret("auth/jwt-secret"), {"created_at": SecretStr("yesterday")}, Severity.DERIVE),
        (SMTP, {"password": SecretStr("YOUR_ACTUAL_SENDGRID_API_KEY")}, Severity.REPLACE),
    ],
    ids=str,
)
def test_a_wrong_field_is_found(secret: DesiredSecret, change: Fields, severity: Severity) -> None:
    found = findings(secret, dict(made(secret)) | dict(change), FACTS)
    (name,) = change
    assert (name, severity) in {(each.field, each.severity) for each in found}
    for each in change.values():
        if isinstance(each, SecretStr):
            assert each.get_secret_value() not in str(found)


@pytest.mark.parametrize("secret", DESIRED.secrets, ids=lambda secret: secret.name)
def test_each_missing_field_is_found(secret: DesiredSecret) -> None:
    whole = made(secret)
    for name in secret.fields:
        partial = {each: value for each, value in whole.items() if each != name}
        assert name in {each.field for each in findings(secret, partial, FACTS)}


def test_a_rotated_login_is_right() -> None:
    fields = dict(made(DATABASE)) | {"username": SecretStr("mita_app_clone")}
    kept = {name: value for name, value in fields.items() if name != "connection_string"}
    fields = dict(compose(DATABASE, kept=kept, facts=FACTS, supplied={}, invent=invent))
    assert text(fields, "connection_string").startswith("postgresql+asyncpg://mita_app_clone:")
    assert findings(DATABASE, fields, FACTS) == []


def test_mending_keeps_every_other_value() -> None:
    before = made(DATABASE)
    moved = {**FACTS, "database.host": "db-2.mita.internal"}
    after = compose(DATABASE, kept=before, facts=moved, supplied={}, invent=invent)
    assert after["password"] == before["password"]
    assert text(after, "host") == "db-2.mita.internal"
    assert "@db-2.mita.internal:5432/" in text(after, "connection_string")
    assert findings(DATABASE, after, moved) == []


def test_fields_of_others_are_kept() -> None:
    before = dict(made(CACHE)) | {"engine": SecretStr("redis")}
    assert compose(CACHE, kept=before, facts=FACTS, supplied={}, invent=invent) == before


def test_what_only_the_operator_can_give_is_missing() -> None:
    assert missing(SMTP, kept={}, facts=FACTS, supplied={}) == ["username", "password"]
    assert missing(SMTP, kept={}, facts=FACTS, supplied=SMTP_VALUES) == []
    assert missing(DATABASE, kept={}, facts={}, supplied={}) == ["host", "port"]
    assert missing(DATABASE, kept={}, facts=FACTS, supplied={}) == []


def test_an_address_that_nobody_knows_is_taken_from_the_operator() -> None:
    given_by_hand = {"host": SecretStr("rds.amazonaws.com"), "port": SecretStr("5433")}
    fields = compose(DATABASE, kept={}, facts={}, supplied=given_by_hand, invent=invent)
    assert fields["port"] == 5433
    assert "@rds.amazonaws.com:5433/" in text(fields, "connection_string")


def test_no_value_shows_in_a_representation() -> None:
    fields = made(DATABASE)
    shown = (
        f"{fields!r} {serialise(fields)!r} {findings(DATABASE, {'password': fields['password']}, FACTS)!r}"
    )
    assert text(fields, "password") not in shown
