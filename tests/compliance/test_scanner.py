"""Secrets are found in text, and names of secrets are not taken for them."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from deployer.compliance.sources.scanner import search_trees, search_values
from deployer.compliance.validation import OUR_TREES
from deployer.fingerprint import Fingerprints

VALUE = secrets.token_urlsafe(32)
PRIVATE_KEY = "-----BEGIN " + "RSA PRIVATE KEY-----"
ACCESS_KEY = "AKIA" + "QYLPMN5HHHFPZAM2"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("values.yaml", f"database:\n  password: {VALUE}\n"),
        ("values.yaml", "database:\n  password: correct-horse-7battery\n"),
        ("deployment.yaml", "- name: URL\n  value: redis://:" + "hunter2hunter2@cache:6379/0\n"),
        ("Dockerfile", f"FROM scratch\nENV JWT_SECRET={VALUE}\n"),
        ("handler.py", f'API_KEY = "{VALUE}"\n'),
        ("handler.py", f'LOGIN = "{ACCESS_KEY}"\n'),
        ("server.key", f"{PRIVATE_KEY}\n"),
        (".env", f"export SENTRY_TOKEN={VALUE}\n"),
    ],
)
def test_a_secret_in_a_tree_is_found_with_its_line_and_without_its_value(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_text("\n" + text)
    (tmp_path / "clean.txt").write_text("nothing here\n")
    found = search_trees((tmp_path,), Fingerprints())
    assert found.files == 2
    assert found.suspects
    assert found.suspects[0].place.startswith(f"{tmp_path.name}/deep/{name}:")
    assert VALUE not in repr(found)
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        "secretName: mita-production-database-credentials",
        "secretKey: password",
        "password: ${DATABASE_PASSWORD}",
        'password: "{{ .Values.password }}"',
        "tokenPath: /var/run/secrets/token",
        f"password: {VALUE}  # pragma: allowlist secret",
    ],
)
def test_a_name_or_a_reference_is_no_secret(tmp_path: Path, line: str) -> None:
    (tmp_path / "values.yaml").write_text(f"a:\n  {line}\n")
    assert search_trees((tmp_path,), Fingerprints()).suspects == ()


def test_what_is_no_source_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text(f"password = {VALUE}\n")
    assert search_trees((tmp_path,), Fingerprints()).files == 0


def test_a_single_file_can_be_given(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(f"password: {VALUE}\n")
    (suspect,) = search_trees((file,), Fingerprints()).suspects
    assert suspect.place == "values.yaml:1"


def test_what_this_project_deploys_has_none() -> None:
    found = search_trees(OUR_TREES, Fingerprints())
    assert found.files > 20
    assert found.suspects == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "letmeinplease"),
        ("DB_PASSWORD", VALUE),
        ("apiToken", "abcd-1234-efgh"),
        ("SENTRY_DSN", "https://" + "0123456789abcdef@o1.ingest.sentry.io/1"),
        ("DATABASE_URL", "postgresql://mita:" + "hunter2hunter2@db:5432/mita"),
        ("ANYTHING", VALUE + "1a"),
        ("ANYTHING", ACCESS_KEY),
        ("ANYTHING", f"first line\n{PRIVATE_KEY}"),
    ],
)
def test_a_secret_literal_is_found(name: str, value: str) -> None:
    (suspect,) = search_values({"somewhere": (name, value)}, Fingerprints())
    assert suspect.place == "somewhere"
    assert value not in repr(suspect)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MITA_HOST", "0.0.0.0"),  # noqa: S104  nothing is bound
        ("MITA_AUTH_DIRECTORY", "/etc/mita/secrets/auth"),
        ("SECRET_NAME", "database-credentials-v2"),
        ("AWS_SECRETSMANAGER_ENDPOINT", "http://127.0.0.3:4566"),
        ("TOKEN_SECONDS", "12345678"),
        ("PASSWORD", "$(FROM_ELSEWHERE)"),
        ("dns-name", "external-secrets-webhook.external-secrets-system.svc"),
        ("argument", "certcontroller"),
    ],
)
def test_an_ordinary_literal_is_not(name: str, value: str) -> None:
    assert search_values({"somewhere": (name, value)}, Fingerprints()) == ()


def test_one_value_in_two_places_has_one_fingerprint() -> None:
    found = search_values({"one": ("PASSWORD", VALUE), "other": ("TOKEN", VALUE)}, Fingerprints())
    assert len({suspect.fingerprint for suspect in found}) == 1
    assert len(found) == 2
