"""Phase 1: the key, the secrets, the issuer and the operator's role."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
import urllib3
from pydantic import SecretStr
from pytest_bdd import then, when

from steps.parameters import phrase
from steps.system import System

AUDIENCE = "sts.amazonaws.com"
_PRIVATE_PARTS = {"d", "p", "q", "dp", "dq", "qi", "k"}  # of a JSON Web Key, RFC 7518
_DAYS_IN_A_YEAR = 365

Json = dict[str, Any]


# ---- the key


@when("the key behind the alias is examined", target_fixture="key")
def _key_examined(system: System) -> Json:
    kms = system.aws("kms")
    metadata: Json = kms.describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]
    return metadata | {"rotation": kms.get_key_rotation_status(KeyId=metadata["KeyId"])}


@then("it is enabled")
def _key_is_enabled(key: Json) -> None:
    assert (key["KeyState"], key["Enabled"]) == ("Enabled", True)


@then("it is symmetric and made for encryption")
def _key_is_symmetric(key: Json) -> None:
    assert (key["KeySpec"], key["KeyUsage"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")


@then("it is managed by us and not by AWS")
def _key_is_ours(key: Json) -> None:
    assert key["KeyManager"] == "CUSTOMER"


@then("AWS rotates it every year")
def _key_is_rotated(key: Json) -> None:
    assert key["rotation"]["KeyRotationEnabled"] is True
    assert key["rotation"].get("RotationPeriodInDays", _DAYS_IN_A_YEAR) == _DAYS_IN_A_YEAR


# ---- the secrets


@when("the secrets of production are listed", target_fixture="listed")
def _secrets_listed(system: System) -> dict[str, Json]:
    prefix = system.desired.secret_store.prefix
    pages = (
        system.aws("secretsmanager")
        .get_paginator("list_secrets")
        .paginate(Filters=[{"Key": "name", "Values": [prefix]}])
    )
    return {secret["Name"]: secret for page in pages for secret in page["SecretList"]}


@then("these are there, each encrypted with the key behind the alias:")
def _secrets_are_encrypted(system: System, listed: dict[str, Json], datatable: list[list[str]]) -> None:
    key = system.aws("kms").describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]
    for (name,) in datatable[1:]:
        secret = listed.get(system.full_name(name))
        assert secret is not None, f"{name} is not there"
        assert secret.get("KmsKeyId") in {key["Arn"], key["KeyId"], system.desired.key.alias}, (
            f"{name} is encrypted with {secret.get('KmsKeyId', 'a key of AWS')}"
        )


# ---- the issuer


@when("the cluster's issuer is discovered", target_fixture="discovery")
def _issuer_discovered(system: System) -> Json:
    return _discover(system)


@then("it calls itself by the name that AWS trusts")
def _issuer_is_trusted(system: System, discovery: Json) -> None:
    issuer = system.connections.cluster.oidc_issuer
    assert discovery["issuer"] == issuer
    providers = system.aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arns = [provider["Arn"] for provider in providers]
    assert any(arn.endswith("/" + issuer.removeprefix("https://").rstrip("/")) for arn in arns), arns


@then("it serves public keys and no private ones")
def _issuer_serves_keys(system: System, discovery: Json) -> None:
    keys = _fetch(system, discovery["jwks_uri"])["keys"]
    assert keys, "it serves no key"
    assert all(key["use"] == "sig" and jwt.PyJWK(key).key for key in keys)
    assert not any(_PRIVATE_PARTS & key.keys() for key in keys), "it serves a private key"


@when("the token is verified with the issuer's keys", target_fixture="claims")
def _token_verified(system: System, token: SecretStr) -> Json:
    return _verify(system, token.get_secret_value())


@then("it is found genuine")
def _token_is_genuine(system: System, claims: Json) -> None:
    assert claims["sub"] == system.desired.roles[0].subject


@then("a token that was tampered with is not")
def _tampered_token_is_not(system: System, token: SecretStr) -> None:
    header, payload, signature = token.get_secret_value().split(".")
    other = jwt.encode({"sub": "system:serviceaccount:kube-system:default"}, "k" * 32).split(".")[1]
    assert other != payload
    with pytest.raises(jwt.InvalidSignatureError):
        _verify(system, f"{header}.{other}.{signature}")


def _discover(system: System) -> Json:
    return _fetch(
        system, system.connections.cluster.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration"
    )


def _fetch(system: System, url: str) -> Json:
    """Get a document of the issuer as AWS does: without credentials, over TLS that is verified."""
    with urllib3.PoolManager(ca_cert_data=system.connections.cluster.certificate_authority) as pool:
        answer = pool.request("GET", url, timeout=5.0, retries=False)
    assert answer.status == 200, f"{url} answers {answer.status}"  # noqa: PLR2004  HTTP's OK
    document: Json = answer.json()
    return document


def _verify(system: System, token: str) -> Json:
    discovery = _discover(system)
    served = jwt.PyJWKSet.from_dict(_fetch(system, discovery["jwks_uri"]))
    key = served[jwt.get_unverified_header(token)["kid"]]
    claims: Json = jwt.decode(
        token,
        key,
        algorithms=["RS256", "ES256"],
        audience=AUDIENCE,
        issuer=system.connections.cluster.oidc_issuer,
    )
    return claims


# ---- the role


@when("the trust of the operator's role is examined", target_fixture="statement")
def _trust_examined(system: System) -> Json:
    role = system.aws("iam").get_role(RoleName=system.desired.roles[0].name)["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    trust: Json = statement
    return trust


@then("it trusts tokens of the cluster's issuer and nobody else")
def _trusts_the_issuer(system: System, statement: Json) -> None:
    host = system.connections.cluster.oidc_issuer.removeprefix("https://").rstrip("/")
    provider = f"arn:aws:iam::{system.connections.account}:oidc-provider/{host}"
    assert statement["Effect"] == "Allow"
    assert _one(statement["Action"]) == "sts:AssumeRoleWithWebIdentity"
    assert {kind: _one(names) for kind, names in statement["Principal"].items()} == {"Federated": provider}


@then(phrase("it demands the operator's service account as the subject"))
def _demands_the_subject(system: System, statement: Json) -> None:
    assert _demanded(system, statement, "sub") == system.desired.roles[0].subject


@then(phrase("it demands AWS' token service as the audience"))
def _demands_the_audience(system: System, statement: Json) -> None:
    assert _demanded(system, statement, "aud") == AUDIENCE


def _demanded(system: System, statement: Json, claim: str) -> Any:  # noqa: ANN401  a text or a list of texts
    host = system.connections.cluster.oidc_issuer.removeprefix("https://").rstrip("/")
    conditions = statement["Condition"]
    assert list(conditions) == ["StringEquals"], f"the trust tests by {list(conditions)}"
    return _one(conditions["StringEquals"].get(f"{host}:{claim}"))


def _one(value: Any) -> Any:  # noqa: ANN401  AWS writes lists of one as their only element, or not
    return value[0] if isinstance(value, list) and len(value) == 1 else value
