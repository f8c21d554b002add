"""Requests that no client sends: repeated later, meant for another service, or no requests at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.aws.cloud import Cloud, refused, running
from tests.aws.raw import json_headers, send, sign

pytestmark = pytest.mark.embedded

LISTING = json_headers("ListSecrets")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.mark.parametrize("minutes", [-4, 0, 4])
def test_a_request_is_good_for_some_minutes(cloud: Cloud, minutes: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    assert send(cloud, sign(cloud, LISTING, b"{}", at=at), b"{}").status == 200


@pytest.mark.parametrize(
    ("minutes", "message"), [(-6, "Signature expired: "), (6, "Signature not yet current: ")]
)
def test_one_that_was_overheard_is_not_good_for_ever(cloud: Cloud, minutes: int, message: str) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)

    answer = send(cloud, sign(cloud, LISTING, b"{}", at=at), b"{}")

    assert (answer.status, answer.code) == (400, "InvalidSignatureException")
    assert answer.message.startswith(message)


def test_one_that_was_signed_for_another_service_is_refused(cloud: Cloud) -> None:
    for service in ("kms", "s3", "sts", "nowhere"):
        answer = send(cloud, sign(cloud, LISTING, b"{}", service=service), b"{}")
        assert 400 <= answer.status < 500, service
        assert answer.code, service
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=ListRoles&Version=2010-05-08"
    answer = send(cloud, sign(cloud, form, body, service="sts"), body)
    assert answer.status in (400, 403, 404)


def test_an_operation_that_is_not_known_here_is_told_as_such_in_every_protocol(cloud: Cloud) -> None:
    """boto3 is newer than LocalStack, so that this happens to the most ordinary client."""
    with refused("UnknownOperationException"):
        cloud.client("cloudwatch").delete_alarm_mute_rule(AlarmMuteRuleName="none")
    with refused("UnknownOperationException"):
        cloud.client("eks").cancel_update(name="none", updateId="none")
    headers = json_headers("NoSuchOperation")
    assert send(cloud, sign(cloud, headers, b"{}"), b"{}").code == "UnknownOperationException"
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=NoSuchOperation&Version=2011-06-15"
    assert send(cloud, sign(cloud, form, body, service="sts"), body).code == "InvalidAction"


def test_what_s3_is_sent_is_what_was_signed(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="signed")
    overheard = {}
    s3.meta.events.register("before-send.s3", lambda request, **_: overheard.update(request.headers))
    s3.put_object(Bucket="signed", Key="key", Body=b"as it was sent")
    headers = {
        name: value.decode() if isinstance(value, bytes) else value for name, value in overheard.items()
    }

    answer = send(cloud, headers, b"as it is not..", method="PUT", path="/signed/key")

    assert answer.code == "SignatureDoesNotMatch"
    assert s3.get_object(Bucket="signed", Key="key")["Body"].read() == b"as it was sent"


# ---- requests of any kind

_NAMES = st.sampled_from(
    [
        *("X-Amz-Target", "X-Amz-Date", "X-Amz-Security-Token", "Content-Type", "Authorization"),
        *("X-Amz-Content-Sha256", "x-localstack-data", "Content-Encoding", "Smithy-Protocol"),
    ]
)
_FORGED = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20261125/us-east-1/secretsmanager/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
)
_VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
    st.sampled_from(
        [
            *("secretsmanager.GetSecretValue", "TrentService.Decrypt", "AWSEvents.X", "rpc-v2-cbor", "gzip"),
            *("application/x-amz-json-1.1", "application/x-www-form-urlencoded", "multipart/form-data"),
            _FORGED,
            "AWS4-HMAC-SHA256 Credential=x/y/z",
            '{"service_principal": "secretsmanager.amazonaws.com"}',
        ]
    ),
)
_BODIES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"Action=GetCallerIdentity&Version=2011-06-15", b"{", b'{"SecretId": 1}', b"[" * 5000]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
)
_PATHS = st.one_of(
    st.just("/"),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(lambda text: f"/{text}"),
    st.sampled_from(
        [
            *("/2015-03-31/functions/", "/bucket/key?X-Amz-Signature=0", "/../_localstack/diagnose"),
            *("//_localstack/diagnose", "/_localstack%2fdiagnose", "/_LOCALSTACK/diagnose", "/_aws/lambda"),
        ]
    ),
)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
    path=_PATHS,
    headers=st.dictionaries(_NAMES, _VALUES, max_size=5),
    body=_BODIES,
)
def test_whatever_is_sent_unsigned_is_refused_and_breaks_nothing(
    cloud: Cloud, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    answer = send(cloud, headers, body, method=method, path=path)

    nothing = answer.status in (200, 204) and not answer.message  # what is for no service at all
    assert 400 <= answer.status < 500 or nothing, answer


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(
        [
            *("secretsmanager.GetSecretValue", "secretsmanager.PutSecretValue", "TrentService.Encrypt"),
            *("secretsmanager.RotateSecret", "secretsmanager.CreateSecret", "TrentService.CreateKey"),
            *("secretsmanager.PutResourcePolicy", "TrentService.PutKeyPolicy", "TrentService.CreateGrant"),
            *("Logs_20140328.PutLogEvents", "Logs_20140328.FilterLogEvents", "secretsmanager.TagResource"),
        ]
    ),
    names=st.lists(
        st.sampled_from(["SecretId", "KeyId", "Policy", "Tags", "Name", "logGroupName"]), max_size=3
    ),
    body=_BODIES,
)
def test_what_is_malformed_is_refused_as_aws_does(
    cloud: Cloud, target: str, names: list[str], body: bytes
) -> None:
    """Signed by the administrator: nothing but the form is wrong with it."""
    prefix, _, operation = target.partition(".")
    service = {"TrentService": "kms", "Logs_20140328": "logs"}.get(prefix, prefix)
    if names:
        value = json.loads(body) if _is_json(body) else body.decode("latin-1")
        body = json.dumps(dict.fromkeys(names, value)).encode()
    headers = json_headers(operation, prefix)

    answer = send(cloud, sign(cloud, headers, body, service=service), body)

    assert answer.status < 500, answer
    assert answer.status == 200 or answer.code, answer


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def test_and_it_still_works(cloud: Cloud) -> None:
    """Runs last in the module."""
    assert send(cloud, sign(cloud, LISTING, b"{}"), b"{}").status == 200
