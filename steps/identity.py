"""Phase 1: whom AWS lets take the operator's role, and by which token."""

from __future__ import annotations

from typing import Any

import boto3
import jwt
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.desired_roles import DesiredRole
from steps.aws import AUDIENCE
from steps.parameters import phrase
from steps.system import System

_SESSION = "scenario"
# AWS' own words for each kind of refusal: its code, and what its message says.
_REFUSALS = {
    "no token at all": ("InvalidIdentityToken", "not a valid JWT"),
    "not trusted": ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    "made for somebody else": ("InvalidIdentityToken", "audience"),
    "not genuine": ("InvalidIdentityToken", "not signed by"),
}

READING_A_VALUE = "secretsmanager:GetSecretValue"

Json = dict[str, Any]


def operators_role(system: System) -> DesiredRole:
    """Return the role that the operator's service account takes on, the one of a pod that reads values."""
    (role,) = (role for role in system.desired.roles if role.service_account and role.allows(READING_A_VALUE))
    return role


def service_account_token(system: System, account: str, audience: str) -> SecretStr:
    """Have the cluster issue a token of a service account, given as ``NAMESPACE/NAME``."""
    namespace, name = account.split("/")
    answer = system.cluster.call(
        "POST",
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        body={
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        },
    )
    token = SecretStr(answer["status"]["token"])
    system.on_secret(f"a token of the service account {account}", token)
    return token


def take_role(system: System, role: str, token: SecretStr, *, session: str = _SESSION) -> Json:
    """Present a token to AWS' token service and return its answer.

    Raises:
        ClientError: It refuses.
    """
    signed = system.aws("sts").meta
    # Whoever has only a token has no key to sign with.
    client: Any = boto3.client(
        "sts",
        endpoint_url=signed.endpoint_url,
        region_name=signed.region_name,
        config=Config(signature_version=UNSIGNED),
    )
    answer: Json = client.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{system.connections.account}:role/{role}",
        RoleSessionName=session,
        WebIdentityToken=token.get_secret_value(),
    )
    for name in ("SecretAccessKey", "SessionToken"):
        system.on_secret(f"a scenario's {name}", SecretStr(answer["Credentials"][name]))
    return answer


# ---- tokens


@given("a token of the operator's service account, made for AWS", target_fixture="token")
def _operators_token(system: System) -> SecretStr:
    return service_account_token(system, operators_role(system).service_account, AUDIENCE)


@given("the guide's dummy token", target_fixture="token")
def _dummy_token() -> SecretStr:
    return SecretStr("dummy-token")


@given("a token of another service account, made for AWS", target_fixture="token")
def _anothers_token(system: System) -> SecretStr:
    return service_account_token(system, f"{system.desired.namespace}/default", AUDIENCE)


@given("a token of the operator's service account, made for the cluster", target_fixture="token")
def _token_for_the_cluster(system: System) -> SecretStr:
    issuer = system.connections.cluster.oidc_issuer
    return service_account_token(system, operators_role(system).service_account, issuer)


@given("a token of the operator's service account, tampered with", target_fixture="token")
def _tampered_token(system: System) -> SecretStr:
    """Put the operator's name into another account's token."""
    role = operators_role(system)
    token = service_account_token(system, f"{system.desired.namespace}/default", AUDIENCE).get_secret_value()
    claims = jwt.decode(token, options={"verify_signature": False}) | {"sub": role.subject}
    header, _, signature = token.split(".")
    payload = jwt.encode(claims, "k" * 32, algorithm="HS256").split(".")[1]
    return SecretStr(f"{header}.{payload}.{signature}")


# ---- what AWS says


@when("the token is presented to AWS for the operator's role", target_fixture="taken")
def _presented_to_aws(system: System, token: SecretStr) -> Json | ClientError:
    try:
        return take_role(system, operators_role(system).name, token)
    except ClientError as refusal:
        return refusal


@then(phrase("AWS refuses it as {refusal:Refusal}", Refusal=_REFUSALS))
def _aws_refuses(taken: Json | ClientError, refusal: str) -> None:
    assert isinstance(taken, ClientError), "it was let in"
    code, message = _REFUSALS[refusal]
    error = taken.response["Error"]
    assert error["Code"] == code, f"it was refused for another reason: {error['Code']}: {error['Message']}"
    assert message.lower() in error["Message"].lower(), error["Message"]


@then("AWS lets it in as the operator's role")
def _aws_lets_in(system: System, taken: Json | ClientError) -> None:
    assert not isinstance(taken, ClientError), str(taken)
    arn = taken["AssumedRoleUser"]["Arn"]
    assert arn.endswith(f":assumed-role/{operators_role(system).name}/{_SESSION}"), arn
    assert taken["SubjectFromWebIdentityToken"] == operators_role(system).subject


# ---- the cluster, as AWS describes it


@when("AWS is asked to describe the cluster", target_fixture="described")
def _cluster_described(system: System) -> Json:
    described: Json = system.aws("eks").describe_cluster(name=system.desired.cluster)["cluster"]
    return described


@then("it names the cluster's issuer")
def _names_issuer(system: System, described: Json) -> None:
    assert described["identity"]["oidc"]["issuer"] == system.connections.cluster.oidc_issuer


@then("the cluster's secrets are encrypted with a key")
def _secrets_encrypted(described: Json) -> None:
    encrypted = [each for each in described["encryptionConfig"] if "secrets" in each["resources"]]
    assert [each["provider"]["keyArn"] for each in encrypted], "it names no key for secrets"
