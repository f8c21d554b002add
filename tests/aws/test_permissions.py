"""Every call is decided by the policies of its caller and of what it is about."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from environments.embedded.aws import ACCOUNT, REGION
from tests.aws.cloud import Client, Cloud, allow, deny, policy, refused, running, unique

pytestmark = pytest.mark.embedded

ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.fixture(scope="module")
def administrator(cloud: Cloud) -> Client:
    return cloud.client("secretsmanager")


def secret_of(cloud: Cloud, **settings: Any) -> str:  # noqa: ANN401  of CreateSecret
    made = cloud.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="v", **settings)
    return str(made["ARN"])


def key_of(cloud: Cloud, **settings: Any) -> str:  # noqa: ANN401  of CreateKey
    return str(cloud.client("kms").create_key(**settings)["KeyMetadata"]["Arn"])


# ---- who calls


def client_with(
    cloud: Cloud, service: str, access_key: str, secret_key: str, token: str | None = None
) -> Client:
    keys = {"AccessKeyId": access_key, "SecretAccessKey": secret_key}
    return cloud.client(service, keys | ({"SessionToken": token} if token else {}))


def test_unknown_access_keys_are_refused(cloud: Cloud) -> None:
    for access_key in ("test", "AKIAIOSFODNN7EXAMPLE", "LKIAQAAAAAAAAAAAAAAA"):
        with refused("UnrecognizedClientException", "security token included in the request is invalid"):
            client_with(cloud, "secretsmanager", access_key, "test").list_secrets()
        with refused("InvalidClientTokenId"):
            client_with(cloud, "sts", access_key, "test").get_caller_identity()
        with refused("InvalidAccessKeyId"):
            client_with(cloud, "s3", access_key, "test").list_buckets()


def test_the_administrators_key_without_its_secret_is_refused(cloud: Cloud) -> None:
    with refused("InvalidSignatureException"):
        client_with(cloud, "secretsmanager", cloud.endpoint.access_key, "guessed").list_secrets()
    with refused("SignatureDoesNotMatch"):
        client_with(cloud, "iam", cloud.endpoint.access_key, "guessed").list_roles()
    with refused("InvalidSignatureException"):
        client_with(cloud, "kms", "123456789012", "guessed").list_keys()


@pytest.mark.parametrize("secret_key", ["__internal_call__", "test"])
@pytest.mark.parametrize("access_key", ["__internal_call__", "injectedaccesskey", "test", ACCOUNT])
def test_nobody_calls_as_localstack_itself(cloud: Cloud, access_key: str, secret_key: str) -> None:
    secrets = client_with(cloud, "secretsmanager", access_key, secret_key)
    secrets.meta.events.register(
        "before-call", lambda params, **_: params["headers"].update({"x-localstack-data": "{}"})
    )
    with pytest.raises(ClientError) as caught:
        secrets.list_secrets()
    assert caught.value.response["Error"]["Code"] in {
        "UnrecognizedClientException",
        "InvalidSignatureException",
    }


def test_unsigned_calls_are_refused(cloud: Cloud) -> None:
    with refused("MissingAuthenticationTokenException"):
        cloud.anonymous("secretsmanager").list_secrets()
    with refused("MissingAuthenticationToken"):
        cloud.anonymous("sts").get_caller_identity()


def test_a_sessions_key_without_its_token_is_refused(cloud: Cloud) -> None:
    session = cloud.session(cloud.web_role(allow("secretsmanager:*")))
    keys = (session["AccessKeyId"], session["SecretAccessKey"])
    client_with(cloud, "secretsmanager", *keys, session["SessionToken"]).list_secrets()
    for token in (None, "another"):
        with refused("UnrecognizedClientException"):
            client_with(cloud, "secretsmanager", *keys, token).list_secrets()


def test_a_request_changed_on_its_way_is_refused(cloud: Cloud) -> None:
    host = cloud.endpoint.url.removeprefix("http://")
    body = json.dumps({"SecretId": "one"})
    headers = {"X-Amz-Target": "secretsmanager.DeleteSecret", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest("POST", f"{cloud.endpoint.url}/", headers=headers, data=body)
    credentials = Credentials(cloud.endpoint.access_key, cloud.endpoint.secret_key.get_secret_value())
    SigV4Auth(credentials, "secretsmanager", REGION).add_auth(request)

    def code(sent: str) -> str:
        connection = http.client.HTTPConnection(host)
        connection.request("POST", "/", body=sent, headers=dict(request.headers.items()))
        answer: str = json.loads(connection.getresponse().read())["__type"]
        connection.close()
        return answer

    assert code(body) == "ResourceNotFoundException"
    assert code(body.replace("one", "two")) == "InvalidSignatureException"


def test_localstacks_back_doors_are_closed(cloud: Cloud) -> None:
    connection = http.client.HTTPConnection(cloud.endpoint.url.removeprefix("http://"))
    for method, path in (
        ("POST", "/_localstack/health"),
        ("POST", "/_localstack/state/reset"),
        ("GET", "/_localstack/diagnose"),
        ("GET", "/_aws/sqs/messages"),
    ):
        connection.request(method, path, body='{"action": "kill"}')
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 403, path
    connection.close()


# ---- identity policies


def test_a_user_may_do_what_his_policies_say_and_nothing_else(cloud: Cloud) -> None:
    mine, other = secret_of(cloud), secret_of(cloud)
    arn, credentials = cloud.user(allow("secretsmanager:GetSecretValue", mine))
    secrets = cloud.client("secretsmanager", credentials)

    assert secrets.get_secret_value(SecretId=mine)["SecretString"] == "v"
    name = mine.rpartition(":")[2][:-7]
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == "v"
    with refused(
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: secretsmanager:GetSecretValue on resource: {other} "
        "because no identity-based policy allows the secretsmanager:GetSecretValue action",
    ):
        secrets.get_secret_value(SecretId=other)
    for call in (
        secrets.list_secrets,
        lambda: secrets.put_secret_value(SecretId=mine, SecretString="w"),
        lambda: cloud.client("kms", credentials).list_keys(),
        lambda: cloud.client("lambda", credentials).list_functions(),
        lambda: cloud.client("logs", credentials).describe_log_groups(),
    ):
        with refused("AccessDeniedException"):
            call()
    with refused("AccessDenied"):
        cloud.client("iam", credentials).list_roles()


def test_a_denial_wins(cloud: Cloud) -> None:
    secret = secret_of(cloud)
    _arn, credentials = cloud.user(allow("secretsmanager:*"), deny("secretsmanager:GetSecretValue", secret))
    secrets = cloud.client("secretsmanager", credentials)
    secrets.describe_secret(SecretId=secret)
    with refused("AccessDeniedException", "with an explicit deny in an identity-based policy"):
        secrets.get_secret_value(SecretId=secret)


def test_conditions_on_tags_and_stages_decide(cloud: Cloud) -> None:
    mine = secret_of(cloud, Tags=[{"Key": "team", "Value": "payments"}])
    other = secret_of(cloud, Tags=[{"Key": "team", "Value": "growth"}])
    _arn, credentials = cloud.user(
        allow(
            "secretsmanager:GetSecretValue",
            Condition={
                "StringEquals": {"aws:ResourceTag/team": "payments"},
                "ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"},
            },
        )
    )
    secrets = cloud.client("secretsmanager", credentials)
    secrets.get_secret_value(SecretId=mine, VersionStage="AWSCURRENT")
    for secret, stage in ((other, "AWSCURRENT"), (mine, "AWSPREVIOUS"), (mine, "AWSPENDING")):
        with refused("AccessDeniedException"):
            secrets.get_secret_value(SecretId=secret, VersionStage=stage)
    with refused("AccessDeniedException"):
        secrets.get_secret_value(SecretId=mine)


def test_a_request_needs_its_tags(cloud: Cloud) -> None:
    _arn, credentials = cloud.user(
        allow("secretsmanager:CreateSecret", Condition={"StringEquals": {"aws:RequestTag/team": "payments"}})
    )
    secrets = cloud.client("secretsmanager", credentials)
    with refused("AccessDeniedException"):
        secrets.create_secret(Name=unique("secret"))
    secrets.create_secret(Name=unique("secret"), Tags=[{"Key": "team", "Value": "payments"}])


def test_a_permissions_boundary_limits(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    boundary = iam.create_policy(
        PolicyName=unique("boundary"), PolicyDocument=policy(allow("secretsmanager:List*"))
    )["Policy"]["Arn"]
    name = unique("role")
    role = cloud.web_role(allow("secretsmanager:*"), name=name)
    secrets = cloud.client("secretsmanager", cloud.session(role))
    secrets.get_random_password()
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    secrets.list_secrets()
    with refused("AccessDeniedException", "no permissions boundary allows"):
        secrets.get_random_password()


def test_attached_and_group_policies_count(cloud: Cloud) -> None:
    iam = cloud.client("iam")
    arn, credentials = cloud.user()
    name, group = arn.rpartition("/")[2], unique("group")
    secrets = cloud.client("secretsmanager", credentials)
    with refused("AccessDeniedException"):
        secrets.list_secrets()
    iam.create_group(GroupName=group)
    iam.put_group_policy(
        GroupName=group, PolicyName="own", PolicyDocument=policy(allow("secretsmanager:ListSecrets"))
    )
    iam.add_user_to_group(GroupName=group, UserName=name)
    secrets.list_secrets()
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/SecretsManagerReadWrite")
    secrets.get_random_password()


# ---- resource policies


def test_a_secrets_policy_gives_and_takes(cloud: Cloud, administrator: Client) -> None:
    secret = secret_of(cloud)
    arn, credentials = cloud.user()
    secrets = cloud.client("secretsmanager", credentials)
    with refused("AccessDeniedException"):
        secrets.get_secret_value(SecretId=secret)
    administrator.put_resource_policy(
        SecretId=secret,
        ResourcePolicy=policy(allow("secretsmanager:GetSecretValue", Principal={"AWS": arn})),
    )
    secrets.get_secret_value(SecretId=secret)
    administrator.put_resource_policy(
        SecretId=secret,
        ResourcePolicy=policy(
            allow("secretsmanager:GetSecretValue", Principal={"AWS": arn}),
            deny(
                "secretsmanager:*", Principal="*", Condition={"StringLike": {"aws:PrincipalArn": "*:user/*"}}
            ),
        ),
    )
    with refused("AccessDeniedException", "with an explicit deny in a resource-based policy"):
        secrets.get_secret_value(SecretId=secret)


def test_a_policy_that_cannot_be_read_opens_nothing(cloud: Cloud, administrator: Client) -> None:
    secret = secret_of(cloud)
    _arn, credentials = cloud.user(allow("secretsmanager:GetSecretValue"))
    secrets = cloud.client("secretsmanager", credentials)
    for text in ("nonsense", "[]", '{"Statement": [{"Effect": "allow", "Action": "*", "Principal": "*"}]}'):
        administrator.put_resource_policy(SecretId=secret, ResourcePolicy=text)
        with refused("AccessDeniedException"):
            secrets.get_secret_value(SecretId=secret)


# ---- keys


def test_a_key_is_used_by_those_only_whom_its_policy_and_their_own_let(cloud: Cloud) -> None:
    mine, closed = (
        key_of(cloud),
        key_of(cloud, Policy=policy(allow("kms:*", Principal={"AWS": "000000000001"}))),
    )
    _arn, credentials = cloud.user(allow(["kms:Encrypt", "kms:Decrypt"], [mine, closed]))
    kms = cloud.client("kms", credentials)
    sealed = kms.encrypt(KeyId=mine, Plaintext=b"text")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
    with refused("AccessDeniedException"):
        kms.generate_data_key(KeyId=mine, KeySpec="AES_256")
    with refused("AccessDeniedException", "no resource-based policy allows"):
        kms.encrypt(KeyId=closed, Plaintext=b"text")
    _arn, others = cloud.user()
    with refused("AccessDeniedException"):
        cloud.client("kms", others).decrypt(CiphertextBlob=sealed)


def test_a_grant_lets_its_grantee_use_a_key(cloud: Cloud) -> None:
    key = key_of(cloud)
    arn, credentials = cloud.user()
    kms = cloud.client("kms", credentials)
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=key, Plaintext=b"text")
    cloud.client("kms").create_grant(KeyId=key, GranteePrincipal=arn, Operations=["Encrypt"])
    kms.encrypt(KeyId=key, Plaintext=b"text")
    with refused("AccessDeniedException"):
        kms.describe_key(KeyId=key)


def test_a_secrets_reader_needs_its_key_by_way_of_secrets_manager(cloud: Cloud) -> None:
    key = key_of(cloud)
    secret = secret_of(cloud, KmsKeyId=key)
    _arn, credentials = cloud.user(allow("secretsmanager:GetSecretValue", secret))
    with refused("AccessDeniedException", "Access to KMS is not allowed"):
        cloud.client("secretsmanager", credentials).get_secret_value(SecretId=secret)

    via = {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}
    _arn, credentials = cloud.user(
        allow("secretsmanager:GetSecretValue", secret), allow("kms:Decrypt", key, Condition=via)
    )
    cloud.client("secretsmanager", credentials).get_secret_value(SecretId=secret)
    sealed = cloud.client("kms").encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    with refused("AccessDeniedException"):
        cloud.client("kms", credentials).decrypt(CiphertextBlob=sealed)


def test_what_a_key_seals_only_that_key_and_its_context_open(cloud: Cloud) -> None:
    key, kms, context = key_of(cloud), cloud.client("kms"), {"purpose": "one"}
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text", EncryptionContext=context)["CiphertextBlob"]
    assert b"text" not in sealed
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"text"
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    assert len(made["Plaintext"]) == 32
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == made["Plaintext"]
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for blob, given in ((sealed, {"purpose": "two"}), (sealed, {}), (changed, context)):
        with refused("InvalidCiphertextException"):
            kms.decrypt(CiphertextBlob=blob, EncryptionContext=given)


@pytest.mark.parametrize(
    ("break_key", "error"),
    [
        (lambda kms, key: kms.disable_key(KeyId=key), "DisabledException"),
        (
            lambda kms, key: kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7),
            "KMSInvalidStateException",
        ),
    ],
    ids=["disabled", "about to be deleted"],
)
def test_a_key_out_of_use_neither_seals_nor_opens(
    cloud: Cloud, break_key: Callable[[Client, str], object], error: str
) -> None:
    key, kms = key_of(cloud), cloud.client("kms")
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    break_key(kms, key)
    uses: tuple[Callable[[], object], ...] = (
        lambda: kms.encrypt(KeyId=key, Plaintext=b"text"),
        lambda: kms.decrypt(CiphertextBlob=sealed),
        lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
    )
    for use in uses:
        with refused(error):
            use()


def test_without_a_grant_for_it_a_key_does_nothing_for_anybody(cloud: Cloud) -> None:
    key, (arn, credentials) = key_of(cloud), cloud.user()
    kms, administrator = cloud.client("kms", credentials), cloud.client("kms")
    sealed = administrator.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    uses: dict[str, Callable[[], object]] = {
        "Encrypt": lambda: kms.encrypt(KeyId=key, Plaintext=b"text"),
        "Decrypt": lambda: kms.decrypt(CiphertextBlob=sealed),
        "GenerateDataKey": lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
    }
    for granted, use_granted in uses.items():
        grant = administrator.create_grant(KeyId=key, GranteePrincipal=arn, Operations=[granted])["GrantId"]
        for name, use in uses.items():
            if name == granted:
                use()
            else:
                with refused("AccessDeniedException"):
                    use()
        administrator.revoke_grant(KeyId=key, GrantId=grant)
        with refused("AccessDeniedException"):
            use_granted()


def test_a_disabled_key_keeps_its_secrets_closed_to_everybody(cloud: Cloud, administrator: Client) -> None:
    key = key_of(cloud)
    secret = secret_of(cloud, KmsKeyId=key)
    administrator.get_secret_value(SecretId=secret)
    cloud.client("kms").disable_key(KeyId=key)
    with refused("DecryptionFailure", "DisabledException"):
        administrator.get_secret_value(SecretId=secret)
    with refused("EncryptionFailure"):
        administrator.put_secret_value(SecretId=secret, SecretString="w")
    with refused("DisabledException"):
        cloud.client("kms").encrypt(KeyId=key, Plaintext=b"text")
    administrator.describe_secret(SecretId=secret)
    cloud.client("kms").enable_key(KeyId=key)
    assert administrator.get_secret_value(SecretId=secret)["SecretString"] == "v"


# ---- roles


def test_a_role_is_assumed_by_those_whom_it_trusts(cloud: Cloud) -> None:
    arn, credentials = cloud.user()
    sts = cloud.client("sts", credentials)
    trusts_user = cloud.role(trust={"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"})
    trusts_account = cloud.role(trust={"Effect": "Allow", "Principal": ROOT, "Action": "sts:AssumeRole"})

    session = sts.assume_role(RoleArn=trusts_user, RoleSessionName="me")["Credentials"]
    assert ":assumed-role/" in cloud.client("sts", session).get_caller_identity()["Arn"]
    with refused("AccessDenied", "no identity-based policy allows the sts:AssumeRole action"):
        sts.assume_role(RoleArn=trusts_account, RoleSessionName="me")
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/there-is-none", RoleSessionName="me")
    with refused("AccessDenied"):
        sts.assume_role(RoleArn=cloud.web_role(), RoleSessionName="me")
    cloud.client("sts").assume_role(RoleArn=trusts_account, RoleSessionName="administrator")
    with refused("AccessDenied"):
        cloud.client("sts").assume_role(RoleArn=cloud.web_role(), RoleSessionName="administrator")


def test_a_role_is_handed_to_a_function_only_by_those_who_may(cloud: Cloud) -> None:
    role = cloud.role(
        trust={
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
    function = {
        "FunctionName": unique("function"),
        "Role": role,
        "Runtime": "python3.12",
        "Handler": "a.b",
        "Code": {"ZipFile": b"none"},
    }
    _arn, credentials = cloud.user(allow("lambda:*"))
    with refused("AccessDeniedException", "iam:PassRole"):
        cloud.client("lambda", credentials).create_function(**function)


def test_a_function_gets_only_a_role_that_trusts_lambda(cloud: Cloud) -> None:
    function = {
        "FunctionName": unique("function"),
        "Role": cloud.role(trust={"Effect": "Allow", "Principal": ROOT, "Action": "sts:AssumeRole"}),
        "Runtime": "python3.12",
        "Handler": "a.b",
        "Code": {"ZipFile": b"none"},
    }
    with refused("InvalidParameterValueException", "cannot be assumed by Lambda"):
        cloud.client("lambda").create_function(**function)
    record = next(each for each in reversed(cloud.records()) if each["eventName"] == "AssumeRole")
    assert record["userIdentity"] == {"type": "AWSService", "invokedBy": "lambda.amazonaws.com"}
    assert record["errorCode"] == "AccessDenied"


def test_a_function_rotates_only_where_secrets_manager_may_invoke_it(cloud: Cloud) -> None:
    secret = secret_of(cloud)
    role = cloud.role(
        trust={
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.py", "def b(event, context): pass")
    functions, name = cloud.client("lambda"), unique("function")
    function = functions.create_function(
        FunctionName=name,
        Role=role,
        Runtime="python3.12",
        Handler="a.b",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    rotation = {
        "SecretId": secret,
        "RotationLambdaARN": function,
        "RotationRules": {"AutomaticallyAfterDays": 30},
        "RotateImmediately": False,
    }
    secrets = cloud.client("secretsmanager")
    with refused("AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function"):
        secrets.rotate_secret(**rotation)
    functions.add_permission(
        FunctionName=name,
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
        SourceAccount="999999999999",
    )
    with refused("AccessDeniedException"):
        secrets.rotate_secret(**rotation)
    functions.add_permission(
        FunctionName=name,
        StatementId="secrets-manager",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
        SourceAccount=ACCOUNT,
    )
    secrets.rotate_secret(**rotation)


# ---- administrators of other accounts


def test_an_account_id_is_the_administrator_of_that_account_with_the_secret_only(cloud: Cloud) -> None:
    secret = secret_of(cloud)
    other = boto3.client(
        "secretsmanager",
        endpoint_url=cloud.endpoint.url,
        region_name=REGION,
        aws_access_key_id="123456789012",
        aws_secret_access_key=cloud.endpoint.secret_key.get_secret_value(),
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    assert other.list_secrets()["SecretList"] == []
    with refused("ResourceNotFoundException"):
        other.get_secret_value(SecretId=secret.rpartition(":")[2][:-7])
