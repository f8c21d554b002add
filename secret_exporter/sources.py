"""Where the exporter asks: AWS, the cluster's API, and the operator's webhook."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509

from secret_exporter.states import KeyState, OperatorObject, SecretState, Snapshot, unexpected_reads

logger = logging.getLogger(__name__)

_TIMEOUT = 10.0
_OK = 200
_KINDS = {
    "ExternalSecret": "externalsecrets",
    "SecretStore": "secretstores",
    "ClusterSecretStore": "clustersecretstores",
}

Learnt = Callable[[Snapshot], Snapshot]
"""What an answer adds to a snapshot."""


class UnreachableError(Exception):
    """A source did not answer as it should; the text says how it did."""


FAILURES = (
    BotoCoreError,
    ClientError,
    OSError,
    UnreachableError,
    ValueError,
    LookupError,
    urllib3.exceptions.HTTPError,
)


class Secrets:
    """Secrets Manager, asked for everything but values."""

    def __init__(self, client: Any, *, prefix: str, names: tuple[str, ...], most_days: float) -> None:  # noqa: ANN401  boto3 clients have no common type
        self._client = client
        self._prefix = prefix
        self._names = names
        self._most_days = most_days

    def __call__(self) -> Learnt:
        """Describe every secret."""
        states = tuple(self._state(name) for name in self._names)
        return lambda snapshot: replace(snapshot, secrets=states)

    def _state(self, name: str) -> SecretState:
        full = self._prefix + name
        described = self._client.describe_secret(SecretId=full)
        versions = self._client.list_secret_version_ids(SecretId=full)["Versions"]
        return SecretState.of(name, described, versions, most_days=self._most_days)


class Key:
    """KMS, asked for the key."""

    def __init__(self, client: Any, *, alias: str) -> None:  # noqa: ANN401  boto3 clients have no common type
        self._client = client
        self._alias = alias

    def __call__(self) -> Learnt:
        """Describe it."""
        state = KeyState.of(self._alias, self._client.describe_key(KeyId=self._alias))
        return lambda snapshot: replace(snapshot, key=state)


class Reads:
    """CloudTrail, asked who read secrets of late."""

    def __init__(self, client: Any, *, prefix: str, expected: frozenset[str], seconds: float) -> None:  # noqa: ANN401  boto3 clients have no common type
        self._client = client
        self._prefix = prefix
        self._expected = expected
        self._seconds = seconds

    def __call__(self) -> Learnt:
        """Look up the reads."""
        pages = self._client.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetSecretValue"}],
            StartTime=datetime.now(UTC) - timedelta(seconds=self._seconds),
        )
        events = (event for page in pages for event in page["Events"])
        found = unexpected_reads(events, prefix=self._prefix, expected=self._expected)
        return lambda snapshot: replace(snapshot, reads=found)


class Operator:
    """The cluster's API, asked for the operator's objects as the pod's service account.

    Args:
        server: Base URL of the API.
        account: Directory with the account's token and the API's authority.
        namespace: Where its external secrets and stores are.
    """

    def __init__(self, server: str, account: Path, *, namespace: str) -> None:
        self._server = server
        self._token = account / "token"
        self._namespace = namespace
        self._pool = urllib3.PoolManager(ca_certs=str(account / "ca.crt"), timeout=_TIMEOUT, retries=False)

    def __call__(self) -> Learnt:
        """List them."""
        found = tuple(OperatorObject.of(kind, item) for kind in _KINDS for item in self._items(kind))
        return lambda snapshot: replace(snapshot, objects=found)

    def _items(self, kind: str) -> list[Mapping[str, Any]]:
        within = "" if kind == "ClusterSecretStore" else f"/namespaces/{self._namespace}"
        url = f"{self._server}/apis/external-secrets.io/v1beta1{within}/{_KINDS[kind]}"
        # Read anew: tokens of pods are replaced while they run.
        token = self._token.read_text(encoding="utf-8").strip()
        answer = self._pool.request("GET", url, headers={"Authorization": f"Bearer {token}"})
        if answer.status != _OK:
            raise UnreachableError(f"the cluster's API answers {answer.status} for {_KINDS[kind]}")
        items: list[Mapping[str, Any]] = json.loads(answer.data)["items"]
        return items


class Webhook:
    """The operator's webhook, asked for its certificate and nothing else."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def __call__(self) -> Learnt:
        """Read when it ends."""
        # Whether it is to be trusted is the API server's question; an expired one has to be read too.
        pem = ssl.get_server_certificate(self._address, timeout=_TIMEOUT)
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp()
        return lambda snapshot: replace(snapshot, certificate_end=end)


class Watcher:
    """Asks every source in turn and keeps the newest snapshot.

    A source that fails leaves what it told before in place, and `sources` says so.

    Args:
        sources: By name.
    """

    def __init__(self, sources: Mapping[str, Callable[[], Learnt]]) -> None:
        self._sources = sources
        self.newest = Snapshot()

    def ask(self) -> None:
        """Ask every source once."""
        for name, source in self._sources.items():
            self.newest = self._asked(name, source)

    def _asked(self, name: str, source: Callable[[], Learnt]) -> Snapshot:
        before = self.newest
        try:
            learnt = source()
        except FAILURES as error:
            if before.sources.get(name, True):
                logger.warning("%s: %s: %s", name, type(error).__name__, error)
            return replace(before, sources={**before.sources, name: False})
        return replace(
            learnt(before),
            sources={**before.sources, name: True},
            asked={**before.asked, name: time.time()},
        )
