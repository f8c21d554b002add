import re
from pathlib import Path

import pytest

from deployer.desired import PRODUCTION, read
from deployer.errors import ConfigurationError

TEXT = PRODUCTION.read_text(encoding="utf-8")


def altered(tmp_path: Path, before: str, after: str) -> Path:
    assert before in TEXT, "the planted defect must change something"
    path = tmp_path / "production.toml"
    path.write_text(TEXT.replace(before, after, 1), encoding="utf-8")
    return path


def test_the_guides_names_and_values() -> None:
    desired = read()
    assert desired.key.alias == "alias/mita-finance-production-secrets"
    assert desired.key.rotation_days == 365
    assert [desired.full_name(secret) for secret in desired.secrets] == [
        "mita-finance/production/database/primary",
        "mita-finance/production/auth/jwt-secret",
        "mita-finance/production/auth/jwt-previous-secret",
        "mita-finance/production/app/secret-key",
        "mita-finance/production/cache/redis-auth",
        "mita-finance/production/external/openai-api-key",
        "mita-finance/production/monitoring/sentry-dsn",
        "mita-finance/production/notifications/smtp-credentials",
    ]
    operator, application = desired.releases
    assert operator.values == {
        "installCRDs": True,
        "webhook": {"port": 9443},
        "certController": {"enable": True},
        "image": {"tag": "v0.9.9"},
    }
    assert (operator.timeout_seconds, application.timeout_seconds) == (300, 600)
    assert application.values == {
        "environment": "production",
        "replicaCount": 3,
        "image": {"tag": "latest"},
        "externalSecrets": {
            "enabled": True,
            "secretStoreName": "mita-production-secrets",
            "secretKeyPrefix": "mita-finance/production",
        },
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": "2000m", "memory": "2Gi"},
        },
    }


def test_the_operators_role_can_do_no_more_than_read_and_decrypt() -> None:
    role = read().roles[0]
    assert role.subject == "system:serviceaccount:mita-production:mita-external-secrets"
    assert {(action, each) for s in role.statements for action in s.actions for each in s.resources} == {
        ("secretsmanager:DescribeSecret", "secrets:*"),
        ("secretsmanager:GetSecretValue", "secrets:*"),
        ("kms:Decrypt", "key"),
    }


@pytest.mark.parametrize(
    ("before", "after", "subject", "seen"),
    [
        ('name = "auth/jwt-secret"', 'name = "database/primary"', "secrets", "'database/primary' 2 times"),
        (
            "{username}:{password}@{host}",
            "{user}:{password}@{host}",
            "secrets.0",
            "refers to {user}",
        ),
        ("phase = 4\ndirectory", "phase = 7\ndirectory", "manifests.phase", "phase 7"),
        (
            '"secrets:*"]',
            '"secrets:database/secondary"]',
            "roles.mita-production-external-secrets.statements.resources",
            "'database/secondary'",
        ),
        ('resources = ["key"]', 'resources = ["*"]', "roles.0.statements.1.resources", "'*'"),
        ('"role:mita-production-ext', '"role:other', "statements.resources", "'other"),
        ("production-administrators/", "production/administrators/", "secret_store", "not be under prefix"),
        ('role = "mita-production-secret-rotation"', 'role = "x"', "rotation.role", "'x'"),
        ('secrets = ["auth/jwt-secret"]', 'secrets = ["auth/jwt"]', "rotation.functions", "'auth/jwt'"),
        ('"external/openai-api-key", "m', '"app/secret-key", "m', "rotation.functions", "does not supply"),
        ('administrator = "database"', "", "rotation.functions.0", "administrator of database_rotation"),
        (
            'secrets = ["auth/jwt-secret"]',
            'secrets = ["database/primary"]',
            "rotation",
            "rotated secret once",
        ),
        ('runtime = "python3.11"', 'runtime = "python3.13"', "rotation.runtime", "python3.13"),
        ('secret = "cache/redis-auth"', 'secret = "cache/redis"', "cache.secret", "'cache/redis'"),
        ("rotation_days = 365", "rotation_days = 30", "key.rotation_days", "30"),
        ("rotation_days = 365", 'rotation_days = "365"', "key.rotation_days", "'365'"),
        ("recovery_days = 30", "recovery_days = 30\nretries = 1", "secret_store.retries", "1"),
        ('alias = "alias/mita', 'alias = "mita', "key.alias", "'mita-finance-production-secrets'"),
        ("[cache]", "[cash]", "cash", "not permitted"),
        (
            'secretStoreName = "mita-production-secrets"',
            'secretStoreName = "other"',
            "releases.mita-production.values.externalSecrets.secretStoreName",
            "'other'",
        ),
        ('{ generate = "token-256" }', '{ generate = "token-8" }', "secrets.1.fields.value", "token-256"),
        (
            '{ generate = "token-256" }',
            '{ generate = "token-256", constant = "x" }',
            "secrets.1.fields.value",
            "exactly one of",
        ),
    ],
)
def test_a_contradiction_names_file_key_expected_and_seen(
    tmp_path: Path, before: str, after: str, subject: str, seen: str
) -> None:
    path = altered(tmp_path, before, after)
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert str(path) in caught.value.subject
    assert subject in caught.value.subject
    assert seen in f"{caught.value.expected} {caught.value.seen}"


def test_malformed_toml_names_the_place(tmp_path: Path) -> None:
    path = altered(tmp_path, "phase = 1", "phase = = 1")
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert re.search(r"line \d+", caught.value.seen)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml.*No such file"):
        read(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(("given", "number"), [("4", 4), (4, 4), ("application", 4), (None, 6), ("0", 0)])
def test_phases_go_by_number_or_name(given: str | int | None, number: int) -> None:
    assert read().phase(given).number == number


def test_an_unknown_phase_lists_the_known() -> None:
    with pytest.raises(ConfigurationError, match=r"phase nine: expected one of 0 \(preflight\), 1 \(aws-"):
        read().phase("nine")
