"""Credentials tried again and again while they are changed, as whoever holds them would."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from types import TracebackType
from typing import Self

import psycopg2
import redis
from pydantic import SecretStr

from deployer.cluster import UNREACHABLE, Cluster
from deployer.servers import cache_tls, database_tls
from evidence.events import CredentialProbe, SecretVersion, StagingLabels
from evidence.timeline import Timeline
from steps.system import System
from steps.tokens import present, signed

_PAUSE = 0.1  # seconds between two rounds
_SECONDS = 5
_HELD = "what the cluster's Secret holds"
_SESSION = "a session that began before"
_DATABASE = "mita-production-database-credentials"
_CACHE = "mita-production-cache-credentials"
_AUTH = "mita-production-auth-secrets"
ROTATED = ("database/primary", "auth/jwt-secret", "cache/redis-auth")
_OK = 200
_REFUSED = 401


class Probes:
    """Tries the credentials that the cluster's Secrets hold, and reads the labels, until it is told to stop.

    Args:
        system: The system under test.
        timeline: Takes every answer.
        servers_stay: Whether a server that does not answer counts as one that refuses; where servers
            are made to go away for a while, only what they say counts.
    """

    CONSUMERS = (_DATABASE, _CACHE, _AUTH)

    def __init__(self, system: System, timeline: Timeline, *, servers_stay: bool = True) -> None:
        self._system = system
        self._timeline = timeline
        self._servers_stay = servers_stay
        self._ended = threading.Event()
        self._session = self._token()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="credential-probes", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def begin_session(self) -> None:
        """Begin another session, after a rotation, as users do who come later."""
        self._session = self._token()

    def stop(self) -> None:
        """Stop; an error of the probing itself is raised here."""
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            cluster = Cluster(self._system.environment.kubernetes())  # threads do not share clients
            manager = self._system.connections.aws("secretsmanager")
            while not self._ended.wait(_PAUSE):
                self._probe(_DATABASE, _HELD, lambda: self._database(self._held(cluster, _DATABASE)))
                self._probe(_CACHE, _HELD, lambda: self._cache(self._held(cluster, _CACHE)))
                self._probe(_AUTH, _SESSION, self._present)
                for secret in ROTATED:
                    asked = time.time()
                    described = manager.describe_secret(SecretId=self._system.full_name(secret))
                    labels: Mapping[str, list[str]] = described["VersionIdsToStages"]
                    versions = tuple(
                        SecretVersion(version=v, labels=tuple(held)) for v, held in labels.items()
                    )
                    self._timeline.append(StagingLabels(secret=secret, versions=versions, asked=asked))
        except Exception as error:  # noqa: BLE001  told where it is stopped
            self._error = error

    def _probe(self, consumer: str, login: str, attempt: Callable[[], None]) -> None:
        try:
            attempt()
        except UNREACHABLE:
            if self._servers_stay:
                raise
            return
        except (psycopg2.Error, redis.RedisError, _RefusedError) as error:
            if not self._servers_stay and not says_no(error):
                return
            probe = CredentialProbe(
                consumer=consumer, login=login, accepted=False, detail=type(error).__name__
            )
        else:
            probe = CredentialProbe(consumer=consumer, login=login, accepted=True)
        self._timeline.append(probe)

    def _held(self, cluster: Cluster, name: str) -> dict[str, str]:
        metadata = {"name": name, "namespace": self._system.desired.namespace}
        live = cluster.get({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        assert live is not None, f"there is no secret {name}"
        return {key: base64.b64decode(value).decode() for key, value in live["data"].items()}

    def _database(self, held: Mapping[str, str]) -> None:
        tls = database_tls(self._system.connections.database)
        with closing(psycopg2.connect(held["DATABASE_URL"], connect_timeout=_SECONDS, **tls)):
            pass

    def _cache(self, held: Mapping[str, str]) -> None:
        tls = cache_tls(self._system.connections.cache)
        with closing(redis.Redis.from_url(held["REDIS_URL"], socket_timeout=_SECONDS, **tls)) as client:
            client.ping()

    def _token(self) -> SecretStr:
        return signed(self._system, self._held(self._system.cluster, _AUTH)["jwt-secret"])

    def _present(self) -> None:
        status = present(self._system, self._session).status
        if status == _REFUSED or (self._servers_stay and status != _OK):
            raise _RefusedError


class _RefusedError(Exception):
    """The application refused a token."""


def says_no(error: Exception) -> bool:
    """Tell a server that refuses a credential from one that is not there, or not ready, to judge it."""
    if isinstance(error, psycopg2.Error):
        text = str(error)
        return "FATAL:" in text and "the database system is" not in text and "terminating" not in text
    return isinstance(error, (_RefusedError, redis.AuthenticationError))
