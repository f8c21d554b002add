"""Who read secrets, and who of them was not expected."""

from __future__ import annotations

from typing import Any

import pytest

from evidence.readers import aws_readings, cluster_readings, unexpected

PREFIX = "mita-finance/production/"
ARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:mita-finance/production/app/secret-key-AbCdEf"


def aws(identity: dict[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401  of a record
    return {
        "eventName": "GetSecretValue",
        "eventTime": "2026-11-24T10:00:00Z",
        "userIdentity": identity,
        "resources": [{"ARN": ARN}],
        "requestParameters": {"secretId": f"{PREFIX}app/secret-key"},
        **changes,
    }


ROLE = {
    "type": "AssumedRole",
    "arn": "arn:aws:sts::000000000000:assumed-role/reader/its-session",
    "sessionContext": {"sessionIssuer": {"userName": "reader"}},
}


def test_a_role_is_named_with_its_session() -> None:
    (reading,) = aws_readings([aws(ROLE)], PREFIX)
    assert (reading.reader, reading.session) == ("reader", "its-session")
    assert reading.secret == f"{PREFIX}app/secret-key"


@pytest.mark.parametrize(
    ("identity", "reader"),
    [
        ({"type": "Root", "arn": "arn:aws:iam::000000000000:root"}, "root"),
        ({"type": "IAMUser", "userName": "somebody"}, "somebody"),
        ({"type": "AWSService", "invokedBy": "rds.amazonaws.com"}, "rds.amazonaws.com"),
        ({"type": "Unknown"}, "nobody"),
    ],
)
def test_every_kind_of_identity_has_a_name(identity: dict[str, Any], reader: str) -> None:
    (reading,) = aws_readings([aws(identity)], PREFIX)
    assert reading.reader == reader


@pytest.mark.parametrize(
    "changes",
    [
        {"errorCode": "AccessDenied"},
        {"eventName": "DescribeSecret"},
        {"resources": [{"ARN": ARN.replace("production/", "staging/")}]},
    ],
)
def test_what_is_no_read_of_production_is_passed_over(changes: dict[str, Any]) -> None:
    assert list(aws_readings([aws(ROLE, **changes)], PREFIX)) == []


def test_a_read_whose_record_names_no_resource_goes_by_what_was_asked_for() -> None:
    (reading,) = aws_readings([aws(ROLE, resources=[])], PREFIX)
    assert reading.secret == f"{PREFIX}app/secret-key"


def cluster(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  of a record
    return {
        "verb": "get",
        "user": {"username": "somebody"},
        "objectRef": {"resource": "secrets", "namespace": "mita-production", "name": "it"},
        "responseStatus": {"code": 200},
        "stageTimestamp": "2026-11-24T10:00:00.000000Z",
        **changes,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"responseStatus": {"code": 403}},
        {"verb": "patch"},
        {"objectRef": {"resource": "configmaps", "namespace": "mita-production"}},
        {"objectRef": {"resource": "secrets", "namespace": "elsewhere"}},
    ],
)
def test_what_is_no_read_of_the_namespaces_secrets_is_passed_over(changes: dict[str, Any]) -> None:
    assert list(cluster_readings([cluster(**changes)], "mita-production")) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objectRef": {"resource": "secrets"}, "verb": "list"},
        {"verb": "watch", "responseStatus": {}},
    ],
)
def test_reads_in_the_namespace_and_in_all_of_them_count(changes: dict[str, Any]) -> None:
    (reading,) = cluster_readings([cluster(**changes)], "mita-production")
    assert reading.reader == "somebody"


def test_each_unexpected_reader_is_named_once() -> None:
    readings = list(
        cluster_readings([cluster(), cluster(), cluster(user={"username": "other"})], "mita-production")
    )
    assert [each.reader for each in unexpected(readings, {"other"})] == ["somebody"]
    assert unexpected(readings, {"other", "somebody"}) == []
