"""Requests as botocore signs them are genuine, and any change makes them otherwise."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode_sequence
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.embedded.aws.plugins.mita_localstack import signatures
from environments.embedded.aws.plugins.mita_localstack.signatures import Signature, SignedRequest, is_genuine

names = (
    st.text("abcdefgh-", min_size=1, max_size=8).map(lambda name: f"x-{name}").filter(lambda n: n[-1] != "-")
)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
segments = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="?#%/\\"), min_size=1, max_size=9
)


def signed(
    method: str, path: str, query: dict[str, str], *, body: bytes = b"", service: str = "secretsmanager"
) -> tuple[Signature, SignedRequest]:
    # As botocore's clients put parameters into their addresses.
    address = f"http://127.0.0.1:4566{path}" + (f"?{percent_encode_sequence(query)}" if query else "")
    request = AWSRequest(method, address, headers={"x-some": " a  b "}, data=body)
    credentials = Credentials("LKIAEXAMPLE", "secret", "token" if query else None)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, "us-east-1").add_auth(request)
    sent = request.prepare()
    _, _, rest = sent.url.partition("://")
    target, _, sent_query = ("/" + rest.partition("/")[2]).partition("?")
    pairs = [(name.lower(), str(value)) for name, value in sent.headers.items()] + [
        ("host", "127.0.0.1:4566")
    ]
    signature = Signature.parse(sent.headers["Authorization"])
    assert signature is not None
    return signature, SignedRequest(method, target, sent_query, pairs, lambda: body)


requests = st.builds(
    signed,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=st.lists(segments, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    query=st.dictionaries(names, values, max_size=3),
    body=st.binary(max_size=50),
)


@settings(max_examples=300)
@given(made=requests)
def test_what_was_signed_with_the_secret_is_genuine(made: tuple[Signature, SignedRequest]) -> None:
    signature, request = made
    assert is_genuine(signature, request, "secret")
    assert not is_genuine(signature, request, "another")


def test_s3_signs_paths_as_they_are() -> None:
    signature, request = signed("GET", "/bucket/a//b%20c", {}, service="s3")
    assert is_genuine(signature, request, "secret")


@given(made=requests, what=st.sampled_from(["method", "path", "query", "body", "header", "scope"]))
def test_what_was_changed_is_not(made: tuple[Signature, SignedRequest], what: str) -> None:
    signature, request = made
    match what:
        case "method":
            request = dataclasses.replace(request, method="DELETE")
        case "path":
            request = dataclasses.replace(request, path=request.path + "x")
        case "query":
            request = dataclasses.replace(request, query=request.query + "&x=1")
        case "body":
            body = request.body() + b"x"
            request = dataclasses.replace(request, body=lambda: body)
        case "header":
            changed = [(name, value + "x" if name == "x-some" else value) for name, value in request.headers]
            request = dataclasses.replace(request, headers=changed)
        case "scope":
            signature = dataclasses.replace(signature, service="kms")
    assert not is_genuine(signature, request, "secret")


@pytest.mark.parametrize("left_out", ["host", "x-amz-date", "x-amz-security-token"])
def test_host_date_and_token_have_to_be_signed(left_out: str) -> None:
    whole, request = signed("POST", "/", {"a": "b"})
    fewer = dataclasses.replace(whole, headers=tuple(each for each in whole.headers if each != left_out))
    assert len(fewer.headers) < len(whole.headers)
    canonical = hashlib.sha256(
        signatures._canonical(fewer, request, signatures._content(fewer, request) or "").encode()
    ).hexdigest()
    scope = f"{fewer.date}/{fewer.region}/{fewer.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{request.header('x-amz-date')}\n{scope}\n{canonical}"
    key = signatures._signing_key("secret", fewer.date, fewer.region, fewer.service)
    value = hmac.new(key, text.encode(), "sha256").hexdigest()

    assert not is_genuine(dataclasses.replace(fewer, value=value), request, "secret")


def test_what_s3_is_sent_is_what_was_signed() -> None:
    signature, request = signed("PUT", "/bucket/key", {}, body=b"signed", service="s3")
    assert is_genuine(signature, request, "secret")
    assert not is_genuine(signature, dataclasses.replace(request, body=lambda: b"another"), "secret")


@pytest.mark.parametrize(
    "wrong", ["", "{day}", "{day}T", "{day}T250000Z", "{day}T000000Z and more", "{day}T000000+0100"]
)
def test_a_date_in_another_form_is_none(wrong: str) -> None:
    signature, request = signed("POST", "/", {})
    date = wrong.format(day=signature.date)
    changed = [(name, date if name == "x-amz-date" else value) for name, value in request.headers]
    request = dataclasses.replace(request, headers=changed)

    assert request.signed_at() is None
    assert not is_genuine(signature, request, "secret")


@given(text=st.text(max_size=200))
def test_no_header_breaks_the_parser(text: str) -> None:
    assert Signature.parse(text) is None
