"""AWS' answers as facts; the embedded environment's are covered by the features."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from deployer.compliance.sources import aws
from tests.compliance.ground import KEY_ARN, NOW, OURS


class Client:
    """Answers calls by name."""

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401  any answers
        self._answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        answer = self._answers[name]
        return lambda **parameters: answer(**parameters) if callable(answer) else answer

    def get_paginator(self, name: str) -> Any:  # noqa: ANN401  boto3's paginators have no common type
        pages = self._answers[name]
        return type("Pages", (), {"paginate": lambda *_, **__: pages})()


METADATA = {
    "KeyId": "0b9a",
    "Arn": KEY_ARN,
    "KeyState": "Enabled",
    "KeyManager": "CUSTOMER",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "KeyUsage": "ENCRYPT_DECRYPT",
}


@pytest.mark.parametrize(
    ("rotation", "days"),
    [
        ({"KeyRotationEnabled": True, "RotationPeriodInDays": 90}, 90),
        ({"KeyRotationEnabled": True}, 365),
        ({"KeyRotationEnabled": False, "RotationPeriodInDays": 90}, None),
    ],
)
def test_how_often_a_key_is_rotated(rotation: dict[str, Any], days: int | None) -> None:
    kms = Client(
        describe_key={"KeyMetadata": METADATA},
        get_key_rotation_status=rotation,
        get_key_policy={"Policy": json.dumps(OURS)},
    )
    key = aws.read_key(kms, "alias/any")
    assert (key.rotation_days, key.policy) == (days, OURS)


def test_a_key_that_is_not_enabled_is_not_asked_for_its_rotation() -> None:
    kms = Client(
        describe_key={"KeyMetadata": METADATA | {"KeyState": "PendingDeletion"}},
        get_key_policy={"Policy": json.dumps(OURS)},
    )
    assert aws.read_key(kms, "alias/any").state == "PendingDeletion"


def test_all_pages_of_secrets_and_of_versions_are_read() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=1)))

    def versions(*, SecretId: str, NextToken: str = "") -> dict[str, Any]:  # noqa: N803  AWS' names
        del SecretId
        if not NextToken:
            return {"Versions": [{"VersionStages": ["AWSPREVIOUS"], "CreatedDate": local}], "NextToken": "2"}
        return {"Versions": [{"VersionStages": ["AWSCURRENT"], "CreatedDate": local}, {"CreatedDate": local}]}

    manager = Client(
        list_secrets=[
            {"SecretList": [{"Name": "mita/one", "KmsKeyId": KEY_ARN}, {"Name": "not-mita/other"}]},
            {"SecretList": [{"Name": "mita/two", "RotationEnabled": True, "NextRotationDate": local}]},
        ],
        list_secret_version_ids=versions,
        get_resource_policy=lambda SecretId: (  # noqa: N803  AWS' name
            {"ResourcePolicy": json.dumps(OURS)} if SecretId == "mita/two" else {}
        ),
    )
    one, two = aws.read_secrets(manager, "mita/")
    assert (one.name, one.key, one.current_since, one.policy) == ("mita/one", KEY_ARN, (NOW,), None)
    assert (two.name, two.key, two.policy, two.rotation_due) == ("mita/two", None, OURS, NOW)
    assert one.rotation_due is None


def test_the_trail_is_asked_as_far_back_as_the_limit() -> None:
    asked: dict[str, Any] = {}

    def look_up(**parameters: Any) -> dict[str, Any]:  # noqa: ANN401  as above
        asked.update(parameters)
        return {"Events": [{"EventTime": datetime(2026, 3, 2, 11, tzinfo=UTC)}]}

    assert aws.read_trail(Client(lookup_events=look_up), NOW, 24).newest == NOW - timedelta(hours=1)
    assert asked["StartTime"] == NOW - timedelta(hours=24)


def test_a_trail_without_records() -> None:
    assert aws.read_trail(Client(lookup_events={"Events": []}), NOW, 24).newest is None


@pytest.mark.parametrize(
    ("configuration", "kinds"),
    [
        ([{"resources": ["secrets"], "provider": {"keyArn": KEY_ARN}}], {"secrets"}),
        ([{"resources": ["secrets"], "provider": {}}], set()),
        ([], set()),
        (None, set()),
    ],
)
def test_what_eks_encrypts(configuration: Any, kinds: set[str]) -> None:  # noqa: ANN401  as AWS answers
    cluster = {} if configuration is None else {"encryptionConfig": configuration}
    assert aws.read_envelope(Client(describe_cluster={"cluster": cluster}), "mita") == kinds


@pytest.mark.parametrize(
    ("logging", "kept"),
    [
        ({"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]}, True),
        ({"clusterLogging": [{"types": ["audit"], "enabled": False}]}, False),
        ({"clusterLogging": [{"types": ["api"], "enabled": True}]}, False),
        ({}, False),
    ],
)
def test_whether_eks_keeps_the_audit_log(*, logging: dict[str, Any], kept: bool) -> None:
    eks = Client(describe_cluster={"cluster": {"logging": logging}})
    assert aws.reads_cluster_audit(eks, "mita") is kept
