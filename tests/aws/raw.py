"""Requests to AWS' stand-in that no client would send."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from unittest import mock

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from environments.embedded.aws import REGION
from tests.aws.cloud import Cloud

_SECONDS = 20
_CODE_IN_XML = re.compile(rb"<Code>([^<]+)</Code>")


@dataclass(frozen=True)
class Answer:
    """What came back: the status, AWS' error code if there is one, and the message."""

    status: int
    code: str
    message: str


def json_headers(operation: str, prefix: str = "secretsmanager") -> dict[str, str]:
    """Return the headers of a call in the JSON protocol."""
    return {"X-Amz-Target": f"{prefix}.{operation}", "Content-Type": "application/x-amz-json-1.1"}


def sign(
    cloud: Cloud,
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: str = "secretsmanager",
    secret_key: str | None = None,
    at: datetime | None = None,
) -> dict[str, str]:
    """Return headers with a signature of the administrator's, made at a moment."""
    request = AWSRequest("POST", f"{cloud.endpoint.url}/", headers=dict(headers), data=body)
    keys = Credentials(cloud.endpoint.access_key, secret_key or cloud.endpoint.secret_key.get_secret_value())
    moment = (at or datetime.now(UTC)).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment):
        SigV4Auth(keys, service, REGION).add_auth(request)
    return dict(request.headers.items())


def send(
    cloud: Cloud, headers: Mapping[str, str], body: bytes, *, method: str = "POST", path: str = "/"
) -> Answer:
    """Send a request as it is."""
    connection = http.client.HTTPConnection(cloud.endpoint.url.removeprefix("http://"), timeout=_SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        return Answer(answer.status, *_error(content))
    finally:
        connection.close()


def _error(content: bytes) -> tuple[str, str]:
    if found := _CODE_IN_XML.search(content):
        return found[1].decode(), content.decode(errors="replace")
    try:
        read = json.loads(content)
    except ValueError:
        return "", content.decode(errors="replace")
    if not isinstance(read, dict):
        return "", str(read)
    return str(read.get("__type", "")), str(read.get("message", read.get("Message", "")))
