"""Every call leaves a record of who did what, and CloudTrail's own call finds it."""

from __future__ import annotations

import asyncio
import datetime
import json
import stat
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError

from environments.embedded.aws import ACCOUNT, REGION, TRAIL
from environments.embedded.aws.faults import Fault, Refuse
from tests.aws.cloud import Cloud, Json, allow, policy, refused, running, unique
from tests.aws.issuer import AUDIENCE, SUBJECT

pytestmark = pytest.mark.embedded

VALUE = "a value that nobody may see"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


def of(cloud: Cloud, request_id: str) -> list[Json]:
    return [each for each in cloud.records() if each["requestID"] == request_id]


def look_up(cloud: Cloud, **settings: Any) -> list[Json]:  # noqa: ANN401  of LookupEvents
    found: list[Json] = cloud.client("cloudtrail").lookup_events(**settings)["Events"]
    return found


def by(key: str, value: str) -> list[dict[str, str]]:
    return [{"AttributeKey": key, "AttributeValue": value}]


def test_a_read_names_its_reader(cloud: Cloud) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    secret = cloud.client("secretsmanager").create_secret(
        Name=unique("secret"), SecretString=VALUE, KmsKeyId=key
    )["ARN"]
    name = unique("role")
    role = cloud.web_role(allow(["secretsmanager:GetSecretValue", "kms:Decrypt"]), name=name)
    session = cloud.session(role)
    answer = cloud.client("secretsmanager", session).get_secret_value(
        SecretId=secret, VersionStage="AWSCURRENT"
    )

    used, read = of(cloud, answer["ResponseMetadata"]["RequestId"])
    assert read["eventVersion"] == "1.11"
    assert read["eventSource"] == "secretsmanager.amazonaws.com"
    assert read["eventName"] == "GetSecretValue"
    assert read["awsRegion"] == REGION
    assert read["readOnly"] is True
    assert read["recipientAccountId"] == ACCOUNT
    assert read["sourceIPAddress"].startswith("127.")
    assert "Boto3" in read["userAgent"]
    assert read["requestParameters"] == {"secretId": secret, "versionStage": "AWSCURRENT"}
    assert read["responseElements"] is None
    assert read["resources"] == [{"accountId": ACCOUNT, "type": "AWS::SecretsManager::Secret", "ARN": secret}]
    assert "errorCode" not in read
    when = datetime.datetime.strptime(read["eventTime"], "%Y-%m-%dT%H:%M:%S%z")
    assert abs((datetime.datetime.now(datetime.UTC) - when).total_seconds()) < 60
    identity = read["userIdentity"]
    assert identity["type"] == "AssumedRole"
    assert identity["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/session"
    assert identity["accessKeyId"] == session["AccessKeyId"]
    issuer = identity["sessionContext"]["sessionIssuer"]
    assert (issuer["type"], issuer["arn"], issuer["userName"]) == ("Role", role, name)
    assert identity["sessionContext"]["webIdFederationData"]["federatedProvider"] == cloud.provider()
    # What Secrets Manager did with the key was done for the reader.
    assert (used["eventSource"], used["eventName"]) == ("kms.amazonaws.com", "Decrypt")
    assert used["userIdentity"] == identity | {"invokedBy": "secretsmanager.amazonaws.com"}
    assert used["resources"][0]["ARN"] == key


def test_a_sessions_beginning_names_its_token(cloud: Cloud) -> None:
    role = cloud.web_role()
    session = cloud.session(role)

    made = look_up(cloud, LookupAttributes=by("ResourceName", role))
    record = next(
        json.loads(each["CloudTrailEvent"])
        for each in made
        if each["EventName"] == "AssumeRoleWithWebIdentity"
    )
    assert record["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{cloud.provider()}:{AUDIENCE}:{SUBJECT}",
        "userName": SUBJECT,
        "identityProvider": cloud.provider(),
    }
    assert record["responseElements"]["credentials"]["accessKeyId"] == session["AccessKeyId"]
    assert made[0]["Username"] == SUBJECT


def test_refusals_are_recorded(cloud: Cloud) -> None:
    arn, credentials = cloud.user()
    with pytest.raises(ClientError) as caught:
        cloud.client("secretsmanager", credentials).get_secret_value(SecretId="mita-finance/production/x")
    (record,) = of(cloud, caught.value.response["ResponseMetadata"]["RequestId"])
    assert record["errorCode"] == "AccessDeniedException"
    assert arn in record["errorMessage"]
    assert record["userIdentity"]["userName"] == arn.rpartition("/")[2]

    with pytest.raises(ClientError) as caught:
        cloud.anonymous("kms").list_keys()
    (record,) = of(cloud, caught.value.response["ResponseMetadata"]["RequestId"])
    assert record["userIdentity"] == {"type": "Unknown"}
    assert record["errorCode"] == "MissingAuthenticationTokenException"


def test_no_value_is_recorded(cloud: Cloud) -> None:
    secrets, name = cloud.client("secretsmanager"), unique("secret")
    secrets.create_secret(Name=name, SecretString=VALUE, Description=VALUE)
    secrets.put_secret_value(SecretId=name, SecretString=VALUE)
    secrets.put_secret_value(SecretId=name, SecretBinary=VALUE.encode())
    secrets.update_secret(SecretId=name, SecretString=VALUE)
    secrets.get_secret_value(SecretId=name)
    secrets.tag_resource(SecretId=name, Tags=[{"Key": "note", "Value": VALUE}])
    secrets.put_secret_value(SecretId=name, SecretString=VALUE + "2", ClientRequestToken="t" * 32)
    with refused("ResourceExistsException"):
        secrets.put_secret_value(SecretId=name, SecretString=VALUE, ClientRequestToken="t" * 32)
    kms = cloud.client("kms")
    key = kms.create_key(Description=VALUE)["KeyMetadata"]["KeyId"]
    sealed = kms.encrypt(KeyId=key, Plaintext=VALUE.encode())["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=sealed)
    cloud.client("ssm").put_parameter(Name=unique("parameter"), Value=VALUE, Type="SecureString")
    token = cloud.issuer.token()
    session = cloud.session(cloud.web_role(), token)
    _arn, credentials = cloud.user()

    text = (cloud.site.run.root / TRAIL).read_text()
    assert name in text
    for value in (
        VALUE,
        token,
        session["SecretAccessKey"],
        session["SessionToken"],
        credentials["SecretAccessKey"],
        cloud.endpoint.secret_key.get_secret_value(),
    ):
        assert value not in text
    assert "HIDDEN_DUE_TO_SECURITY_REASONS" in text


def test_the_trail_is_its_owners_alone(cloud: Cloud) -> None:
    path = cloud.site.run.root / TRAIL
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_events_are_looked_up_by_what_they_are_about(cloud: Cloud) -> None:
    secrets, name = cloud.client("secretsmanager"), unique("secret")
    arn = secrets.create_secret(Name=name, SecretString="v")["ARN"]
    user, credentials = cloud.user(allow("secretsmanager:GetSecretValue"))
    cloud.client("secretsmanager", credentials).get_secret_value(SecretId=name)

    event, created = look_up(cloud, LookupAttributes=by("ResourceName", arn))
    assert created["EventName"] == "CreateSecret"
    assert event["EventName"] == "GetSecretValue"
    assert event["Username"] == user.rpartition("/")[2]
    assert event["AccessKeyId"] == credentials["AccessKeyId"]
    assert event["ReadOnly"] == "true"
    assert event["Resources"] == [{"ResourceType": "AWS::SecretsManager::Secret", "ResourceName": arn}]
    assert isinstance(event["EventTime"], datetime.datetime)
    assert {each["EventName"] for each in look_up(cloud, LookupAttributes=by("ResourceName", name))} == {
        "GetSecretValue",
        "CreateSecret",
    }
    assert [
        each["EventId"] for each in look_up(cloud, LookupAttributes=by("Username", event["Username"]))
    ] == [event["EventId"]]
    for key, value in (
        ("EventId", event["EventId"]),
        ("EventName", "GetSecretValue"),
        ("EventSource", "secretsmanager.amazonaws.com"),
        ("AccessKeyId", event["AccessKeyId"]),
        ("ResourceType", "AWS::SecretsManager::Secret"),
    ):
        found = look_up(cloud, LookupAttributes=by(key, value))
        assert event["EventId"] in {each["EventId"] for each in found}
        assert event["EventId"] not in {
            each["EventId"] for each in look_up(cloud, LookupAttributes=by(key, f"{value}-not"))
        }


def test_events_are_looked_up_by_time_and_in_pages(cloud: Cloud) -> None:
    secrets = cloud.client("secretsmanager")
    for _ in range(7):
        secrets.get_random_password()
    mine = by("EventName", "GetRandomPassword")
    pages = list(
        cloud.client("cloudtrail")
        .get_paginator("lookup_events")
        .paginate(LookupAttributes=mine, PaginationConfig={"PageSize": 3})
    )
    events = [event for page in pages for event in page["Events"]]
    assert [len(page["Events"]) for page in pages] == [3, 3, 1]
    assert len({event["EventId"] for event in events}) == 7
    assert events == sorted(events, key=lambda event: event["EventTime"], reverse=True)

    now, hour = datetime.datetime.now(datetime.UTC), datetime.timedelta(hours=1)
    assert len(look_up(cloud, LookupAttributes=mine, StartTime=now - hour, EndTime=now + hour)) == 7
    assert look_up(cloud, LookupAttributes=mine, StartTime=now + hour) == []
    assert look_up(cloud, LookupAttributes=mine, EndTime=now - hour) == []


def test_malformed_look_ups_are_refused(cloud: Cloud) -> None:
    now = datetime.datetime.now(datetime.UTC)
    with refused("InvalidTimeRangeException"):
        look_up(cloud, StartTime=now, EndTime=now - datetime.timedelta(hours=1))
    with refused("InvalidNextTokenException"):
        look_up(cloud, NextToken="nonsense")
    with refused("InvalidLookupAttributesException"):
        look_up(cloud, LookupAttributes=by("Nonsense", "x"))
    with refused("InvalidLookupAttributesException"):
        look_up(cloud, LookupAttributes=by("EventName", "x") + by("EventName", "y"))


def test_only_those_who_may_look_up_events(cloud: Cloud) -> None:
    _arn, credentials = cloud.user()
    with refused("AccessDeniedException"):
        cloud.client("cloudtrail", credentials).lookup_events()
    _arn, credentials = cloud.user(allow("cloudtrail:LookupEvents"))
    assert cloud.client("cloudtrail", credentials).lookup_events()["Events"]


def test_a_policy_is_no_identifier(cloud: Cloud) -> None:
    secret = cloud.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="v")["ARN"]
    answer = cloud.client("secretsmanager").put_resource_policy(
        SecretId=secret, ResourcePolicy=policy(allow("secretsmanager:GetSecretValue", Principal="*"))
    )
    (record,) = of(cloud, answer["ResponseMetadata"]["RequestId"])
    assert record["requestParameters"] == {
        "secretId": secret,
        "resourcePolicy": "HIDDEN_DUE_TO_SECURITY_REASONS",
    }


async def test_the_trail_and_the_administrator_outlive_a_restart_and_faults_do_not() -> None:
    async with running() as cloud:

        def before() -> Json:
            cloud.client("secretsmanager").get_random_password()
            held = cloud.faults()
            held.add(Fault(service="secretsmanager", effect=Refuse(code="ThrottlingException")))
            (event,) = look_up(cloud, LookupAttributes=by("EventName", "GetRandomPassword"))
            return event

        def after(event: Json) -> None:
            assert look_up(cloud, LookupAttributes=by("EventName", "GetRandomPassword")) == [event]
            cloud.client("secretsmanager").get_random_password()
            found = look_up(cloud, LookupAttributes=by("EventName", "GetRandomPassword"))
            assert [each["EventId"] for each in found][1:] == [event["EventId"]]
            with cloud.faults() as faults:
                assert faults.active() == []

        event = await asyncio.to_thread(before)
        await cloud.site.supervisor.restart("localstack")
        await asyncio.to_thread(after, event)
