"""Rotation runs asynchronously, step by step, and is told as it was."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from deployer.eventually import eventually
from environments.embedded.aws import ACCOUNT
from tests.aws.cloud import Client, Cloud, Json, allow, refused, running, unique
from tests.aws.functions import Function, function

pytestmark = pytest.mark.embedded

# Does what its secret's tag says; tells each event that it gets in the tags of another secret.
ROTATION = """
    import json, os, time
    import boto3

    secrets = boto3.client("secretsmanager")

    def handler(event, context):
        print(json.dumps(event))
        secret, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
        described = secrets.describe_secret(SecretId=secret)
        tags = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
        if tags.get("slow") == step:
            time.sleep(1.5)
        if tags.get("fails") == step:
            raise ValueError("this is what failed: the value is " + "hidden")
        if tags.get("dies") == step:
            os._exit(1)
        stages = described["VersionIdsToStages"]
        assert "AWSPENDING" in stages[token], stages
        if step == "createSecret":
            try:
                secrets.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
            except secrets.exceptions.ResourceNotFoundException:
                pending = {"ClientRequestToken": token, "VersionStages": ["AWSPENDING"]}
                secrets.put_secret_value(SecretId=secret, SecretString="new", **pending)
        if step == "testSecret" and tags.get("tested") == "yes":
            found = secrets.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
            assert found["SecretString"] == "old"
        if step == "finishSecret" and tags.get("finishes") != "no":
            current = next(id for id, labels in stages.items() if "AWSCURRENT" in labels)
            secrets.update_secret_version_stage(
                SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
            )
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.fixture(scope="module")
def secrets(cloud: Cloud) -> Client:
    return cloud.client("secretsmanager")


@pytest.fixture(scope="module")
def rotating(cloud: Cloud) -> Function:
    made = function(cloud, ROTATION, allow("secretsmanager:*"))
    permit(made)
    return made


def permit(made: Function) -> None:
    made.client.add_permission(
        FunctionName=made.name,
        StatementId="secrets-manager",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
        SourceAccount=ACCOUNT,
    )


def secret(secrets: Client, **tags: str) -> str:
    made = secrets.create_secret(
        Name=unique("secret"),
        SecretString="old",
        Tags=[{"Key": name, "Value": value} for name, value in {"of": "tests", **tags}.items()],
    )
    return str(made["ARN"])


def rotate(secrets: Client, arn: str, rotating: Function, **settings: Any) -> str:  # noqa: ANN401  of RotateSecret
    answer = secrets.rotate_secret(
        SecretId=arn,
        RotationLambdaARN=rotating.arn,
        RotationRules={"AutomaticallyAfterDays": 30},
        **settings,
    )
    return str(answer["VersionId"])


def events(cloud: Cloud, arn: str) -> list[Json]:
    return [
        each
        for each in cloud.records()
        if each["eventType"] == "AwsServiceEvent" and each["additionalEventData"] == {"SecretId": arn}
    ]


def told(cloud: Cloud, arn: str, last: str, count: int = 1) -> list[str]:
    """Wait for the end of a rotation, and return the names of its events."""
    names: list[str] = []

    def missing() -> str | None:
        names[:] = [each["eventName"] for each in events(cloud, arn)]
        return None if names.count(last) >= count else f"{names}"

    eventually(missing, subject=f"{last} of {arn}", deadline=20, remedy="See LocalStack's log.")
    return names


def steps(cloud: Cloud, rotating: Function, version: str, count: int) -> list[Json]:
    """Return the events that the function got for a version."""
    logs, found = cloud.client("logs"), list[Json]()

    def missing() -> str | None:
        written = logs.filter_log_events(logGroupName=f"/aws/lambda/{rotating.name}")["events"]
        lines = [each["message"] for each in written if version in each["message"]]
        found[:] = [json.loads(line) for line in lines if line.startswith("{")]
        return None if len(found) >= count else f"{found}"

    eventually(missing, subject="the function's log", deadline=10, remedy="See LocalStack's log.")
    return found


def labels(secrets: Client, arn: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"]
    return {version: sorted(stages) for version, stages in found.items()}


def test_the_steps_run_one_after_the_other_behind_the_answer(
    cloud: Cloud, secrets: Client, rotating: Function
) -> None:
    arn = secret(secrets, slow="setSecret")
    old = next(iter(labels(secrets, arn)))
    began = time.monotonic()

    version = rotate(secrets, arn, rotating)

    assert time.monotonic() - began < 1
    assert labels(secrets, arn) == {old: ["AWSCURRENT"], version: ["AWSPENDING"]}
    assert "LastRotatedDate" not in secrets.describe_secret(SecretId=arn)
    assert told(cloud, arn, "RotationSucceeded") == ["RotationStarted", "RotationSucceeded"]
    assert steps(cloud, rotating, version, 4) == [
        {"Step": step, "SecretId": arn, "ClientRequestToken": version}
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret")
    ]
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "new"
    assert labels(secrets, arn) == {old: ["AWSPREVIOUS"], version: ["AWSCURRENT", "AWSPENDING"]}
    described = secrets.describe_secret(SecretId=arn)
    assert abs(described["LastRotatedDate"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert described["NextRotationDate"] - described["LastRotatedDate"] == timedelta(days=30)
    assert described["RotationLambdaARN"] == rotating.arn
    assert described["RotationRules"] == {"AutomaticallyAfterDays": 30}


def test_the_function_is_invoked_by_secrets_manager_and_acts_as_itself(
    cloud: Cloud, secrets: Client, rotating: Function
) -> None:
    arn = secret(secrets)
    version = rotate(secrets, arn, rotating)
    told(cloud, arn, "RotationSucceeded")

    for each in events(cloud, arn):
        assert each["userIdentity"]["invokedBy"] == "secretsmanager.amazonaws.com"
        assert each["eventSource"] == "secretsmanager.amazonaws.com"
        assert each["requestParameters"] is None
        assert each["resources"][0]["ARN"] == arn
    put = next(
        each
        for each in cloud.records()
        if each["eventName"] == "PutSecretValue"
        and each["requestParameters"].get("clientRequestToken") == version
    )
    assert put["userIdentity"]["arn"].endswith(f"/{rotating.name}")
    invoked = [each for each in cloud.records() if each["eventName"] == "Invoke"]
    assert {"type": "AWSService", "invokedBy": "secretsmanager.amazonaws.com"} in [
        each["userIdentity"] for each in invoked
    ]
    found = cloud.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RotationSucceeded"}]
    )
    assert arn in str(found["Events"])


@pytest.mark.parametrize("how", ["fails", "dies"])
@pytest.mark.parametrize("step", ["createSecret", "testSecret"])
def test_a_step_that_fails_ends_the_rotation(
    cloud: Cloud, secrets: Client, rotating: Function, step: str, how: str
) -> None:
    arn = secret(secrets, **{how: step})
    old = next(iter(labels(secrets, arn)))

    version = rotate(secrets, arn, rotating)

    assert told(cloud, arn, "RotationFailed") == ["RotationStarted", "RotationFailed"]
    assert steps(cloud, rotating, version, 1)[-1]["Step"] == step
    assert labels(secrets, arn) == {old: ["AWSCURRENT"], version: ["AWSPENDING"]}
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "old"
    assert "LastRotatedDate" not in secrets.describe_secret(SecretId=arn)
    assert "what failed" not in json.dumps(cloud.records())


def test_a_rotation_that_moves_no_label_has_failed(cloud: Cloud, secrets: Client, rotating: Function) -> None:
    arn = secret(secrets, finishes="no")

    rotate(secrets, arn, rotating)

    assert told(cloud, arn, "RotationFailed") == ["RotationStarted", "RotationFailed"]


def test_an_unfinished_rotation_is_tried_again(cloud: Cloud, secrets: Client, rotating: Function) -> None:
    arn = secret(secrets, fails="testSecret")
    version = rotate(secrets, arn, rotating)
    told(cloud, arn, "RotationFailed")
    with refused("InvalidRequestException", "That rotation will be reattempted"):
        secrets.rotate_secret(SecretId=arn)
    told(cloud, arn, "RotationFailed", 2)
    secrets.untag_resource(SecretId=arn, TagKeys=["fails"])

    with refused("InvalidRequestException", "A previous rotation isn't complete."):
        secrets.rotate_secret(SecretId=arn)

    assert told(cloud, arn, "RotationSucceeded") == [
        *("RotationStarted", "RotationFailed", "RotationStarted", "RotationFailed"),
        *("RotationStarted", "RotationSucceeded"),
    ]
    assert "AWSCURRENT" in labels(secrets, arn)[version]
    second = secrets.rotate_secret(SecretId=arn)["VersionId"]
    told(cloud, arn, "RotationSucceeded", 2)
    assert "AWSCURRENT" in labels(secrets, arn)[second]


def test_a_rotation_on_its_way_is_not_begun_twice(cloud: Cloud, secrets: Client, rotating: Function) -> None:
    arn, token = secret(secrets, slow="setSecret"), str(uuid4())
    version = rotate(secrets, arn, rotating, ClientRequestToken=token)
    assert version == token
    with refused("InvalidRequestException", "A previous rotation isn't complete."):
        secrets.rotate_secret(SecretId=arn)
    assert rotate(secrets, arn, rotating, ClientRequestToken=token) == token

    assert told(cloud, arn, "RotationSucceeded") == ["RotationStarted", "RotationSucceeded"]
    assert rotate(secrets, arn, rotating, ClientRequestToken=token) == token
    assert len(events(cloud, arn)) == 2


def test_a_cancelled_rotation_does_no_further_step(cloud: Cloud, secrets: Client, rotating: Function) -> None:
    arn = secret(secrets, slow="createSecret")
    version = rotate(secrets, arn, rotating)

    assert secrets.cancel_rotate_secret(SecretId=arn)["VersionId"] == version

    told(cloud, arn, "RotationFailed")
    assert [each["Step"] for each in steps(cloud, rotating, version, 1)] == ["createSecret"]
    described = secrets.describe_secret(SecretId=arn)
    assert not described.get("RotationEnabled")
    assert "NextRotationDate" not in described
    assert labels(secrets, arn)[version] == ["AWSPENDING"]
    with refused("InvalidRequestException"):
        secrets.cancel_rotate_secret(SecretId=secret(secrets))


def test_a_configuration_is_tested_with_the_value_that_there_is(
    cloud: Cloud, secrets: Client, rotating: Function
) -> None:
    arn = secret(secrets, tested="yes")
    before = labels(secrets, arn)

    version = rotate(secrets, arn, rotating, RotateImmediately=False)

    assert told(cloud, arn, "TestRotationSucceeded") == ["TestRotationStarted", "TestRotationSucceeded"]
    assert [each["Step"] for each in steps(cloud, rotating, version, 1)] == ["testSecret"]
    assert labels(secrets, arn) == before
    described = secrets.describe_secret(SecretId=arn)
    assert described["RotationEnabled"]
    assert "LastRotatedDate" not in described
    assert abs(described["NextRotationDate"] - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


def test_a_secret_without_a_value_has_nothing_to_test_a_configuration_with(
    cloud: Cloud, secrets: Client, rotating: Function
) -> None:
    arn = str(secrets.create_secret(Name=unique("secret"))["ARN"])

    rotate(secrets, arn, rotating, RotateImmediately=False)

    assert events(cloud, arn) == []
    assert "VersionIdsToStages" not in secrets.describe_secret(SecretId=arn)
    assert secrets.describe_secret(SecretId=arn)["RotationEnabled"]


def test_a_rotation_waits_for_the_test_of_its_configuration(
    cloud: Cloud, secrets: Client, rotating: Function
) -> None:
    arn = secret(secrets, slow="testSecret")
    rotate(secrets, arn, rotating, RotateImmediately=False)

    secrets.rotate_secret(SecretId=arn)

    assert told(cloud, arn, "RotationSucceeded") == [
        *("TestRotationStarted", "TestRotationSucceeded", "RotationStarted", "RotationSucceeded")
    ]


def test_a_permission_taken_away_ends_the_rotation(cloud: Cloud, secrets: Client) -> None:
    withdrawn = function(cloud, ROTATION, allow("secretsmanager:*"))
    permit(withdrawn)
    arn = secret(secrets, slow="createSecret")
    rotate(secrets, arn, withdrawn)

    withdrawn.client.remove_permission(FunctionName=withdrawn.name, StatementId="secrets-manager")

    assert told(cloud, arn, "RotationFailed") == ["RotationStarted", "RotationFailed"]
    refusals = [each for each in cloud.records() if each["eventName"] == "Invoke" and "errorCode" in each]
    assert refusals[-1]["errorCode"] == "AccessDeniedException"
    assert withdrawn.arn in str(refusals[-1]["resources"])


def test_what_cannot_be_rotated_is_refused(secrets: Client, rotating: Function) -> None:
    arn = secret(secrets)
    with refused("ResourceNotFoundException"):
        secrets.rotate_secret(SecretId="absent", RotationLambdaARN=rotating.arn)
    with refused("InvalidRequestException", "doesn't already have a Lambda function ARN"):
        secrets.rotate_secret(SecretId=arn)
    for rules in ({"AutomaticallyAfterDays": 1001}, {"ScheduleExpression": "rate(10 days)"}):
        with refused("InvalidParameterException", "AutomaticallyAfterDays"):
            secrets.rotate_secret(SecretId=arn, RotationLambdaARN=rotating.arn, RotationRules=rules)
    assert "RotationEnabled" not in secrets.describe_secret(SecretId=arn)
    secrets.delete_secret(SecretId=arn)
    with refused("InvalidRequestException", "marked for deletion"):
        secrets.rotate_secret(SecretId=arn, RotationLambdaARN=rotating.arn)


@pytest.mark.parametrize("label", ["AWSPENDING", "AWSCURRENT"])
def test_a_version_keeps_its_value(secrets: Client, label: str) -> None:
    """LocalStack alone lets a pending one change, which hides that a step cannot be repeated."""
    name, version = unique("kept"), str(uuid4())
    secrets.create_secret(Name=name, SecretString="first")
    once: Json = {"SecretId": name, "ClientRequestToken": version, "VersionStages": [label]}
    secrets.put_secret_value(SecretString="second", **once)

    with refused("ResourceExistsException"):
        secrets.put_secret_value(SecretString="third", **once)
    with refused("ResourceExistsException"):
        secrets.put_secret_value(SecretBinary=b"second", **once)
    secrets.put_secret_value(SecretString="second", **once)

    assert secrets.get_secret_value(SecretId=name, VersionId=version)["SecretString"] == "second"


def test_a_binary_value_may_be_given_again(secrets: Client) -> None:
    name, version = unique("kept"), str(uuid4())
    secrets.create_secret(Name=name, SecretString="first")
    once: Json = {"SecretId": name, "ClientRequestToken": version, "VersionStages": ["AWSPENDING"]}
    secrets.put_secret_value(SecretBinary=b"second", **once)

    secrets.put_secret_value(SecretBinary=b"second", **once)

    with refused("ResourceExistsException"):
        secrets.put_secret_value(SecretBinary=b"third", **once)
