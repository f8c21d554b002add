"""Tokens open the role that trusts them, and nothing else does; EKS describes who issues them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator

import jwt
import pytest
import pytest_asyncio
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from environments.embedded.aws import ACCOUNT, REGION
from tests.aws.cloud import Cloud, Json, allow, refused, running, unique
from tests.aws.issuer import AUDIENCE, SUBJECT

pytestmark = pytest.mark.embedded


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.fixture(scope="module")
def role(cloud: Cloud) -> str:
    return cloud.web_role(allow("secretsmanager:ListSecrets"))


def test_the_right_token_opens_its_role(cloud: Cloud, role: str) -> None:
    answer = cloud.anonymous("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="operator", WebIdentityToken=cloud.issuer.token(), DurationSeconds=900
    )

    name = role.rpartition("/")[2]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/operator"
    assert answer["AssumedRoleUser"]["Arn"] == session
    assert answer["SubjectFromWebIdentityToken"] == SUBJECT
    assert answer["Audience"] == AUDIENCE
    assert answer["Provider"] == cloud.provider()
    assert 890 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    identity = cloud.client("sts", answer["Credentials"]).get_caller_identity()
    assert identity["Arn"] == session
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    cloud.client("secretsmanager", answer["Credentials"]).list_secrets()
    with refused("AccessDeniedException"):
        cloud.client("secretsmanager", answer["Credentials"]).create_secret(Name="x", SecretString="y")


def test_the_guides_dummy_token_is_refused(cloud: Cloud, role: str) -> None:
    with refused("InvalidIdentityToken", "not a valid JWT"):
        cloud.session(role, "dummy-token")


def test_another_service_accounts_token_is_refused(cloud: Cloud, role: str) -> None:
    with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        cloud.session(role, cloud.issuer.token(sub="system:serviceaccount:mita-production:default"))


def test_a_token_for_another_audience_is_refused(cloud: Cloud, role: str) -> None:
    with refused("InvalidIdentityToken", "Incorrect token audience"):
        cloud.session(role, cloud.issuer.token(aud=["https://kubernetes.default.svc"]))


def test_an_expired_token_is_refused(cloud: Cloud, role: str) -> None:
    with refused("ExpiredTokenException", "Token expired"):
        cloud.session(role, cloud.issuer.token(exp=int(time.time()) - 1))


def test_a_token_of_an_unknown_issuer_is_refused(cloud: Cloud, role: str) -> None:
    with refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://other"):
        cloud.session(role, cloud.issuer.token(iss="https://other.example"))


def test_a_token_that_another_key_signed_is_refused(cloud: Cloud, role: str) -> None:
    forged = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with refused("InvalidIdentityToken", "not signed by its issuer"):
        cloud.session(role, cloud.issuer.token(key=forged))
    with refused("InvalidIdentityToken", "Couldn't retrieve verification key"):
        cloud.session(role, cloud.issuer.token(key=forged, key_id="two"))


def test_a_changed_claim_breaks_the_signature(cloud: Cloud, role: str) -> None:
    header, payload, signature = cloud.issuer.token(sub="system:serviceaccount:other:other").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"sub": SUBJECT}
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    with refused("InvalidIdentityToken", "not signed by its issuer"):
        cloud.session(role, f"{header}.{changed}.{signature}")


def test_algorithms_that_need_no_private_key_are_refused(cloud: Cloud, role: str) -> None:
    unsigned = jwt.encode(
        jwt.decode(cloud.issuer.token(), options={"verify_signature": False}),
        None,  # type: ignore[arg-type]  # what an attacker has
        algorithm="none",
        headers={"kid": "one"},
    )
    with refused("InvalidIdentityToken"):
        cloud.session(role, unsigned)
    with refused("InvalidIdentityToken"):
        cloud.session(
            role, cloud.issuer.token(key="the public key's text, known to all" * 2, algorithm="HS256")
        )


def test_a_role_that_does_not_exist_or_trusts_others_is_refused(cloud: Cloud) -> None:
    with refused("AccessDenied"):
        cloud.session(f"arn:aws:iam::{ACCOUNT}:role/there-is-none")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    with refused("AccessDenied"):
        cloud.session(cloud.role(trust=trust))


def test_a_session_is_no_longer_than_its_role_allows(cloud: Cloud, role: str) -> None:
    with refused("ValidationError", "MaxSessionDuration"):
        cloud.session(role, DurationSeconds=7200)


def test_without_its_provider_the_issuer_is_unknown(cloud: Cloud, role: str) -> None:
    provider = cloud.provider()
    cloud.client("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    try:
        with refused("InvalidIdentityToken", "No OpenIDConnect provider found"):
            cloud.session(role)
    finally:
        cloud.provider()


def test_an_authority_that_iam_was_not_told_of_is_refused(cloud: Cloud, role: str) -> None:
    iam, provider = cloud.client("iam"), cloud.provider()
    known = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider)["ThumbprintList"]
    iam.update_open_id_connect_provider_thumbprint(
        OpenIDConnectProviderArn=provider, ThumbprintList=["0" * 40]
    )
    try:
        with refused("InvalidIdentityToken", "thumbprint"):
            cloud.session(role)
    finally:
        iam.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=provider, ThumbprintList=known
        )
    cloud.session(role)


def test_a_session_ends_with_its_role(cloud: Cloud) -> None:
    name = unique("role")
    credentials = cloud.session(cloud.web_role(allow("secretsmanager:ListSecrets"), name=name))
    secrets = cloud.client("secretsmanager", credentials)
    secrets.list_secrets()
    iam = cloud.client("iam")
    iam.delete_role_policy(RoleName=name, PolicyName="own")
    iam.delete_role(RoleName=name)
    cloud.web_role(allow("secretsmanager:ListSecrets"), name=name)
    with refused("AccessDeniedException"):
        secrets.list_secrets()


def test_a_session_policy_narrows_a_session(cloud: Cloud) -> None:
    role = cloud.web_role(allow("secretsmanager:*"))
    narrowed = json.dumps({"Version": "2012-10-17", "Statement": allow("secretsmanager:ListSecrets")})
    secrets = cloud.client("secretsmanager", cloud.session(role, Policy=narrowed))
    secrets.list_secrets()
    with refused("AccessDeniedException", "no session policy allows"):
        secrets.get_random_password()


@settings(max_examples=60)
@given(
    token=st.one_of(
        st.text(min_size=4, max_size=200),
        st.lists(
            st.one_of(
                st.binary(max_size=60),
                st.recursive(
                    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
                    lambda inner: (
                        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
                    ),
                    max_leaves=8,
                ).map(lambda value: json.dumps(value).encode()),
                st.fixed_dictionaries(
                    {
                        "kid": st.just("one") | st.integers(),
                        "iss": st.text(max_size=9),
                        "sub": st.text(max_size=9) | st.none(),
                        "aud": st.text(max_size=9) | st.lists(st.text(max_size=5)) | st.integers(),
                        "exp": st.floats() | st.integers() | st.text(max_size=5),
                    }
                ).map(lambda value: json.dumps(value).encode()),
            ),
            min_size=1,
            max_size=4,
        ).map(lambda parts: ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)),
    )
)
def test_whatever_is_sent_as_a_token_is_refused_as_aws_refuses_it(
    cloud: Cloud, role: str, token: str
) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.session(role, token)
    assert caught.value.response["Error"]["Code"] in {
        "InvalidIdentityToken",
        "ExpiredTokenException",
        "ValidationError",
    }


@settings(max_examples=60)
@example(claims={"iss": "https://\x00"})
@example(claims={"sub": "\ud800"})
@given(
    claims=st.fixed_dictionaries(
        {},
        optional={
            "iss": st.text(max_size=9).map("https://".__add__),
            "sub": st.text(max_size=9),
            "aud": st.text(max_size=9) | st.lists(st.text(max_size=5), max_size=3),
            "azp": st.text(max_size=9) | st.integers(),
            "exp": st.floats() | st.integers() | st.booleans() | st.none(),
            "nbf": st.floats() | st.integers(min_value=2**33),
        },
    ).filter(bool)
)
def test_whatever_its_issuer_signs_opens_a_role_only_as_it_is_trusted(
    cloud: Cloud, role: str, claims: Json
) -> None:
    now = time.time()
    token = raw_token(cloud, claims)
    code = ""
    try:
        cloud.session(role, token)
    except ClientError as error:
        code = error.response["Error"]["Code"]
    assert code in {"", "InvalidIdentityToken", "ExpiredTokenException", "AccessDenied"}
    if code:
        return
    # What differs from the right token is none of what makes it the right one.
    assert not {"iss", "azp"} & set(claims)
    assert claims.get("sub", SUBJECT) == SUBJECT
    assert AUDIENCE in claims.get("aud", [AUDIENCE])
    assert claims.get("exp", now + 600) > now
    assert claims.get("nbf", now) <= now + 301


def raw_token(cloud: Cloud, claims: Json) -> str:
    """Sign claims as they are: PyJWT refuses to make some of them."""
    usual = jwt.decode(cloud.issuer.token(), options={"verify_signature": False})
    payload = json.dumps(usual | claims).encode()
    return jwt.PyJWS().encode(payload, cloud.issuer.key, algorithm="RS256", headers={"kid": "one"})


def test_eks_describes_the_cluster(cloud: Cloud) -> None:
    eks = cloud.client("eks")
    cluster = eks.describe_cluster(name="mita-production")["cluster"]

    assert cluster["name"] == "mita-production"
    assert cluster["status"] == "ACTIVE"
    assert cluster["version"] == "1.36"
    assert cluster["arn"] == f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/mita-production"
    assert cluster["endpoint"] == cloud.issuer.url
    assert cluster["identity"]["oidc"]["issuer"] == cloud.issuer.url
    assert base64.b64decode(cluster["certificateAuthority"]["data"]).decode() == cloud.issuer.certificate
    assert cluster["encryptionConfig"][0]["resources"] == ["secrets"]
    assert eks.list_clusters()["clusters"] == ["mita-production"]
    with refused("ResourceNotFoundException", "No cluster found for name: other."):
        eks.describe_cluster(name="other")


def test_eks_answers_those_only_who_may_ask(cloud: Cloud) -> None:
    _arn, credentials = cloud.user(
        allow("eks:DescribeCluster", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/mita-*")
    )
    eks = cloud.client("eks", credentials)
    assert eks.describe_cluster(name="mita-production")["cluster"]["name"] == "mita-production"
    with refused("AccessDeniedException"):
        eks.list_clusters()
