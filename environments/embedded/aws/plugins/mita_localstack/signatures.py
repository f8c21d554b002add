"""Signature Version 4: whether a request was signed with the secret of its access key."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import quote, unquote

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=([^/,\s]+)/(\d{{8}})/([^/,\s]+)/([^/,\s]+)/aws4_request,\s*"
    r"SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})"
)
# Without them a signature could be moved to another server or another time.
_ALWAYS_SIGNED = {"host", "x-amz-date"}
_TOKEN = "x-amz-security-token"  # noqa: S105  a header's name
_DATE = re.compile(r"\d{8}T\d{6}Z")
_HASHED = "x-amz-content-sha256"
# Said by S3's clients that leave their content unsigned, which S3 lets them.
_UNSIGNED_CONTENT = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
FRESH = timedelta(minutes=5)
"""How far from now a request may have been signed."""

type Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Signature:
    """The ``Authorization`` header of a request.

    Attributes:
        access_key: Access key id.
        date: Day of the signature, ``YYYYMMDD``.
        region: Region that it is for.
        service: Service that it is for, by its signing name.
        headers: Names of the signed headers, in order.
        value: The signature, in hexadecimal.
    """

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, authorization: str) -> Signature | None:
        """Read a header; None when it is not of Signature Version 4."""
        match = _AUTHORIZATION.fullmatch(authorization)
        if match is None:
            return None
        access_key, date, region, service, headers, value = match.groups()
        return cls(access_key, date, region, service, tuple(headers.split(";")), value)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it was sent.

    Attributes:
        method: HTTP method.
        path: Path with its percent-encoding, without the query.
        query: Query with its percent-encoding.
        headers: All headers; names in lower case.
        body: Reads the body.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: Callable[[], bytes]

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        return next((value for each, value in self.headers if each == name), None)

    def signed_at(self) -> datetime | None:
        """Return when it was signed; None when it does not say so as AWS wants it."""
        return _moment(self.header("x-amz-date") or "")


def is_genuine(signature: Signature, request: SignedRequest, secret_key: str) -> bool:
    """Tell whether a request was signed with a secret access key, and is as it was then."""
    at = request.signed_at()
    must = _ALWAYS_SIGNED | ({_TOKEN} if request.header(_TOKEN) else set())
    if at is None or f"{at:%Y%m%d}" != signature.date or not must <= set(signature.headers):
        return False
    content = _content(signature, request)
    if content is None:
        return False
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    canonical = hashlib.sha256(_canonical(signature, request, content).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{at:%Y%m%dT%H%M%SZ}\n{scope}\n{canonical}"
    key = _signing_key(secret_key, signature.date, signature.region, signature.service)
    return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), signature.value)


@lru_cache(maxsize=64)
def _moment(date: str) -> datetime | None:
    # Many requests are signed in the same second.
    try:
        return datetime.fromisoformat(date) if _DATE.fullmatch(date) else None
    except ValueError:
        return None


def _content(signature: Signature, request: SignedRequest) -> str | None:
    """Return what stands for the content in the signed text; None when it is not that of the request.

    Others have it computed; S3's clients name it, and then it has to be true.
    """
    named = request.header(_HASHED) if signature.service == "s3" else None
    if named in _UNSIGNED_CONTENT:
        return named
    computed = hashlib.sha256(request.body()).hexdigest()
    return computed if named in (None, computed) else None


def _canonical(signature: Signature, request: SignedRequest, content: str) -> str:
    headers = "".join(f"{name}:{_header(request.headers, name)}\n" for name in signature.headers)
    return "\n".join(
        (
            request.method,
            _path(signature.service, request.path),
            _query(request.query),
            headers,
            ";".join(signature.headers),
            content,
        )
    )


def _header(headers: Headers, wanted: str) -> str:
    return ",".join(" ".join(value.split()) for name, value in headers if name == wanted)


def _path(service: str, path: str) -> str:
    # S3's keys may hold anything; for the others a path is put into its normal form.
    if service == "s3":
        return path or "/"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    end = "/" if parts and path.endswith("/") else ""
    return quote("/" + "/".join(parts) + end, safe="/~")


def _query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    encoded = sorted(
        (quote(unquote(name), safe="~"), quote(unquote(value), safe="~")) for name, _, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


@lru_cache(maxsize=256)
def _signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key
