"""Phase 5 on AWS' stand-in: functions, who may invoke them, schedules; drifted and mended."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from deployer.changes import Action
from deployer.deployment import Deployment
from deployer.desired import Desired, read
from deployer.kinds.catalogue import Catalogue
from deployer.kinds.kind import Kind
from tests.deployer.conftest import Place

pytestmark = pytest.mark.embedded
FUNCTION = "mita-production-database-rotation"
SECRET = "mita-finance/production/database/primary"
MASTER = "mita-finance/production-administrators/database"


class Rotation:
    """Phase 5 alone, over the key and the secrets of phase 1."""

    def __init__(self, place: Place, told: list[tuple[str, SecretStr]]) -> None:
        self._catalogue = Catalogue(
            place.connections, read(), supplied={}, on_secret=lambda name, value: told.append((name, value))
        )

    def observe(self) -> tuple[list[Kind[Any]], dict[str, Any]]:
        kinds = [each for each in self._catalogue.kinds(5, ()) if each.phase in (1, 5)]
        return kinds, {kind.key: dict(kind.observe()) for kind in kinds}

    def pending(self) -> dict[str, tuple[str, str]]:
        kinds, observed = self.observe()
        changes = [change for kind in kinds for change in kind.diff(observed)]
        return {
            each.object: (each.action.value, each.reason)
            for each in changes
            if each.action is not Action.NONE
        }

    def apply(self) -> None:
        kinds, observed = self.observe()
        for kind in kinds:
            for change in kind.diff(observed):
                if change.action is not Action.NONE:
                    kind.apply(change, observed)
            observed[kind.key] = dict(kind.observe())


@pytest.fixture
def told() -> list[tuple[str, SecretStr]]:
    return []


@pytest.fixture
def rotation(place: Place, tmp_path: Path, told: list[tuple[str, SecretStr]]) -> Rotation:
    Deployment(place.connections, read(), receipts=tmp_path).apply(
        Deployment(place.connections, read(), receipts=tmp_path).plan(1)
    )
    connections = dataclasses.replace(place.connections, function_environment={"SERVER_TLS": "off"})
    return Rotation(Place(connections, place.calls), told)


def test_what_is_applied_is_as_the_guide_has_it_and_stays(
    rotation: Rotation, place: Place, told: list[tuple[str, SecretStr]]
) -> None:
    assert all(action == "create" for action, _ in rotation.pending().values())
    rotation.apply()
    assert rotation.pending() == {}
    configuration = place.aws("lambda").get_function(FunctionName=FUNCTION)["Configuration"]
    account = place.connections.account
    assert (
        configuration["Runtime"],
        configuration["Timeout"],
        configuration["MemorySize"],
        configuration["Handler"],
        configuration["Role"],
    ) == (
        "python3.11",
        300,
        256,
        "database_rotation.lambda_handler",
        f"arn:aws:iam::{account}:role/mita-production-secret-rotation",
    )
    manager = place.aws("secretsmanager")
    master = manager.describe_secret(SecretId=MASTER)
    assert configuration["Environment"]["Variables"] == {
        "MASTER_SECRET_ARN": master["ARN"],
        "LOGINS": "mita_app,mita_app_clone",
        "CONNECTION_STRING_TEMPLATE": "postgresql+asyncpg://{username}:{password}@{host}:{port}/{database}",
        "SERVER_TLS": "off",
    }
    described = manager.describe_secret(SecretId=SECRET)
    assert described["RotationEnabled"] is True
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}
    assert described["NextRotationDate"]
    assert described["RotationLambdaARN"] == configuration["FunctionArn"]
    value = json.loads(manager.get_secret_value(SecretId=MASTER)["SecretString"])
    login = place.connections.database
    assert login is not None
    assert value == {"username": login.username, "password": login.password.get_secret_value()}
    assert ("administrator of the database.password", login.password) in told


def test_configuring_rotates_nothing(rotation: Rotation, place: Place) -> None:
    versions = place.aws("secretsmanager").describe_secret(SecretId=SECRET).get("VersionIdsToStages")
    rotation.apply()
    assert place.aws("secretsmanager").describe_secret(SecretId=SECRET).get("VersionIdsToStages") == versions


def opened(place: Place) -> None:
    place.aws("lambda").add_permission(
        FunctionName=FUNCTION, StatementId="Anybody", Action="lambda:InvokeFunction", Principal="*"
    )


def closed(place: Place) -> None:
    place.aws("lambda").remove_permission(FunctionName=FUNCTION, StatementId="SecretsManagerRotates")


def secret(call: str, name: str, **more: object) -> Callable[[Place], Any]:
    return lambda place: getattr(place.aws("secretsmanager"), call)(SecretId=name, **more)


def slower(place: Place) -> None:
    place.aws("secretsmanager").rotate_secret(
        SecretId=SECRET, RotationRules={"AutomaticallyAfterDays": 90}, RotateImmediately=False
    )


DRIFTS: dict[str, tuple[Callable[[Place], Any], str, str]] = {
    "anybody may invoke it": (opened, f"lambda-function/{FUNCTION}", "invokers"),
    "nobody may invoke it": (closed, f"lambda-function/{FUNCTION}", "invokers"),
    "slower rotation": (slower, f"secret-rotation/{SECRET}", "every_days"),
    "another administrator": (
        secret("put_secret_value", MASTER, SecretString='{"username": "postgres", "password": "wrong"}'),
        "administrator-secret/database",
        "password",
    ),
    "administrator's secret deleted": (
        secret("delete_secret", MASTER), "administrator-secret/database", "deletion",
    ),
    "logs kept for ever": (
        lambda place: place.aws("logs").delete_retention_policy(logGroupName=f"/aws/lambda/{FUNCTION}"),
        f"log-group//aws/lambda/{FUNCTION}",
        "retention_days",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("drift", "thing", "path"), DRIFTS.values(), ids=DRIFTS)
def test_drift_is_found_and_mended(
    rotation: Rotation, place: Place, drift: Callable[[Place], Any], thing: str, path: str
) -> None:
    rotation.apply()
    drift(place)
    pending = rotation.pending()
    assert path in pending[thing][1]
    rotation.apply()
    assert rotation.pending() == {}


def test_the_last_phase_needs_no_name() -> None:
    desired: Desired = read()
    assert desired.phase(None).number == 6
    assert desired.phase("rotation").number == 5
