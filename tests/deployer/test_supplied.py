import io
from pathlib import Path

import pytest

from deployer.desired import read
from deployer.errors import ConfigurationError, MitaError, RefusedError
from deployer.secret_forms import invent
from deployer.supplied import Supplied, gather, rehearsed, require_form

DESIRED = read()
OPENAI = invent("openai-api-key").get_secret_value()
SENTRY = invent("sentry-dsn").get_secret_value()
SENDGRID = invent("sendgrid-api-key").get_secret_value()
WHOLE = f"""
"external/openai-api-key" = "{OPENAI}"
"mita-finance/production/monitoring/sentry-dsn" = "{SENTRY}"
["notifications/smtp-credentials"]
username = "apikey"
password = "{SENDGRID}"
"""


def plain(values: Supplied) -> dict[tuple[str, str], str]:
    return {key: value.get_secret_value() for key, value in values.items()}


EXPECTED = {
    ("external/openai-api-key", "value"): OPENAI,
    ("monitoring/sentry-dsn", "value"): SENTRY,
    ("notifications/smtp-credentials", "username"): "apikey",
    ("notifications/smtp-credentials", "password"): SENDGRID,
}


def private(tmp_path: Path, text: str, mode: int = 0o600) -> str:
    file = tmp_path / "secrets.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return str(file)


def test_from_a_private_file(tmp_path: Path) -> None:
    assert plain(gather(DESIRED, file=private(tmp_path, WHOLE), environment={})) == EXPECTED


def test_from_standard_input() -> None:
    assert plain(gather(DESIRED, file="-", environment={}, standard_input=io.StringIO(WHOLE))) == EXPECTED


def test_from_the_environment() -> None:
    environment = {
        "MITA_OPENAI_API_KEY": OPENAI,
        "MITA_SENTRY_DSN": SENTRY,
        "MITA_SMTP_USERNAME": "apikey",
        "MITA_SMTP_PASSWORD": SENDGRID,
        "PATH": "/bin",
    }
    assert plain(gather(DESIRED, file=None, environment=environment)) == EXPECTED


def test_a_file_wins_over_the_environment(tmp_path: Path) -> None:
    other = invent("openai-api-key").get_secret_value()
    values = gather(DESIRED, file=private(tmp_path, WHOLE), environment={"MITA_OPENAI_API_KEY": other})
    assert plain(values) == EXPECTED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = private(tmp_path, WHOLE, mode)
    with pytest.raises(RefusedError, match=f"mode {mode:04o}") as caught:
        gather(DESIRED, file=file, environment={})
    assert f"chmod 600 {file}" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "subject", "seen"),
    [
        ('"external/openai-api-key" = "sk-YOUR_ACTUAL_OPENAI_API_KEY_HERE"', "openai-api-key", "placeholder"),
        (f'"external/openai-api-key" = "pk-{OPENAI}"', "openai-api-key", "another form"),
        (f'"external/anthropic" = "{OPENAI}"', "external/anthropic", "external/anthropic"),
        (f'["auth/jwt-secret"]\nvalue = "{OPENAI}"', "auth/jwt-secret.value", "another field"),
        (f'["external/openai-api-key"]\nkey = "{OPENAI}"', "openai-api-key.key", "another field"),
        (f'"external/openai-api-key" = ["{OPENAI}"]', "openai-api-key", "list"),
        (f'["database/primary"]\nhost = "db.internal"\nport = "{OPENAI}"', "port", "no port number"),
        (f'"external/openai-api-key" = "{OPENAI}', "secrets.toml", "an error (at"),
        (f"{OPENAI}", "secrets.toml", "an error (at"),
        (f'a = "{OPENAI}"\na = "{OPENAI}"', "secrets.toml", "an error (at"),
    ],
)
def test_a_fault_is_named_without_the_value(tmp_path: Path, text: str, subject: str, seen: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        gather(DESIRED, file=private(tmp_path, text), environment={})
    assert subject in caught.value.subject
    assert seen in caught.value.seen
    chain: list[BaseException | None] = [caught.value, caught.value.__cause__]
    assert all(OPENAI not in f"{each!r} {each}" for each in chain)


def test_a_placeholder_in_the_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="MITA_SENTRY_DSN"):
        gather(
            DESIRED,
            file=None,
            environment={"MITA_SENTRY_DSN": "https://YOUR_ACTUAL_SENTRY_DSN@sentry.io/PROJECT_ID"},
        )


@pytest.mark.parametrize("kind", ["absent", "directory", "binary"])
def test_an_unreadable_file_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "secrets.toml"
    if kind == "directory":
        file.mkdir(mode=0o700)
    if kind == "binary":
        file.write_bytes(b"\xff\xfe\x00")
        file.chmod(0o600)
    with pytest.raises(MitaError, match=r"secrets\.toml"):
        gather(DESIRED, file=str(file), environment={})


def test_a_rehearsal_invents_every_value_that_the_operator_would_give() -> None:
    one, other = (rehearsed(DESIRED, account="000000000000") for _ in range(2))
    assert set(one) == set(EXPECTED)
    require_form(DESIRED, one)
    same = {key for key in one if plain(one)[key] == plain(other)[key]}
    assert same == {("notifications/smtp-credentials", "username")}


def test_a_rehearsal_is_refused_in_a_real_account() -> None:
    with pytest.raises(RefusedError, match="seen account 123456789012"):
        rehearsed(DESIRED, account="123456789012")
