"""All facts of a place, gathered at once; what cannot be had is an `Unknown`, never an exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network, ip_address
from pathlib import Path

from deployer.cluster import Cluster
from deployer.compliance.catalogue import Limits
from deployer.compliance.facts import Facts, Hop, Store, Trail, Unknown
from deployer.compliance.sources import aws
from deployer.compliance.sources.hops import postgresql, try_redis, try_server, try_url
from deployer.compliance.sources.readers import read_readers
from deployer.compliance.sources.scanner import search_trees
from deployer.compliance.sources.store import newest_use_of_secrets, stored_secrets
from deployer.compliance.sources.webhook import try_webhook
from deployer.compliance.sources.workloads import read_workloads
from deployer.connections import Connections, ServerLogin
from deployer.desired import Desired
from deployer.errors import MitaError
from deployer.failures import explained
from deployer.fingerprint import Fingerprints

_AT_ONCE = 12
_AWS = ("secretsmanager", "kms")

type Asked[T] = Future[T | Unknown]


class Gathering:
    """Asks everything of one place.

    Args:
        connections: The place.
        desired: What it was deployed from.
        limits: What controls judge by; a trail is looked up as far back as they say.
        trees: Source trees to search.
    """

    def __init__(
        self, connections: Connections, desired: Desired, limits: Limits, trees: tuple[Path, ...]
    ) -> None:
        self._connections = connections
        self._desired = desired
        self._limits = limits
        self._trees = trees
        self._cluster = Cluster(connections.kubernetes)
        self._clients = {
            service: connections.aws(service) for service in ("kms", "secretsmanager", "cloudtrail", "eks")
        }
        self._fingerprints = Fingerprints()

    def facts(self) -> Facts:
        """Gather; it takes as long as the slowest answer."""
        now = datetime.now(UTC)
        desired, cluster, clients = self._desired, self._cluster, self._clients
        namespaces = self._namespaces()
        api = f"the cluster's API at {self._connections.kubernetes.configuration.host}"
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:

            def ask[T](where: str, question: Callable[[], T]) -> Asked[T]:
                return pool.submit(_answer, where, question)

            key = ask(self._aws("KMS", "kms"), lambda: aws.read_key(clients["kms"], desired.key.alias))
            prefix = desired.secret_store.prefix
            secrets = ask(
                self._aws("Secrets Manager", "secretsmanager"),
                lambda: aws.read_secrets(clients["secretsmanager"], prefix),
            )
            cloud_trail = ask(
                self._aws("CloudTrail", "cloudtrail"),
                lambda: aws.read_trail(clients["cloudtrail"], now, self._limits.trail_hours),
            )
            readers = ask(api, lambda: read_readers(cluster, desired.namespace))
            workloads = ask(api, lambda: read_workloads(cluster, namespaces, self._fingerprints))
            sources = ask("source trees", lambda: search_trees(self._trees, self._fingerprints))
            store = ask("the cluster's store", self._store)
            cluster_trail = ask("the cluster's audit log", lambda: self._cluster_trail(now))
            hops = {name: ask(where, question) for name, where, question in self._hops()}
        return Facts(
            now=now,
            account=self._connections.account,
            key=key.result(),
            secrets=secrets.result(),
            wanted_secrets=frozenset(desired.full_name(secret) for secret in desired.secrets),
            store=store.result(),
            hops={name: self._placed(hop.result()) for name, hop in hops.items()},
            workloads=workloads.result(),
            readers=readers.result(),
            cloud_trail=cloud_trail.result(),
            cluster_trail=cluster_trail.result(),
            sources=sources.result(),
            administrators=self._connections.insight.administrators,
        )

    def _placed(self, hop: Hop | Unknown) -> Hop | Unknown:
        if isinstance(hop, Unknown):
            return hop
        with suppress(ValueError):  # a name, which may lead anywhere
            address = ip_address(hop.address.rpartition(":")[0])
            return replace(hop, local=hop.local or any(address in each for each in self._networks))
        return hop

    @property
    def _networks(self) -> tuple[IPv4Network, ...]:
        return self._connections.insight.networks

    def _namespaces(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(
                [self._desired.namespace, *(release.namespace for release in self._desired.releases)]
            )
        )

    def _aws(self, name: str, service: str) -> str:
        return f"{name} at {self._clients[service].meta.endpoint_url}"

    def _store(self) -> Store:
        read = self._connections.insight.stored_state
        envelope: frozenset[str] | None = None
        try:
            with explained(self._aws("EKS", "eks")):
                envelope = aws.read_envelope(self._clients["eks"], self._connections.cluster.name)
        except MitaError:
            if read is None:  # nobody else could say
                raise
        return Store(records=stored_secrets(read()) if read else None, envelope=envelope)

    def _cluster_trail(self, now: datetime) -> Trail:
        read = self._connections.insight.audit_log
        if read is not None:
            return newest_use_of_secrets(read())
        kept = aws.reads_cluster_audit(self._clients["eks"], self._connections.cluster.name)
        return Trail(now if kept else None)

    def _hops(self) -> Iterator[tuple[str, str, Callable[[], Hop]]]:
        connections = self._connections
        host = connections.kubernetes.configuration.host
        authority = connections.cluster.certificate_authority
        yield "tls-api-server", f"the cluster's API at {host}", lambda: try_url(host, authority)
        (operator,) = {each.namespace for each in self._desired.releases if each.chart == "operator"}
        yield (
            "tls-webhook",
            f"the operator's webhook in {operator}",
            lambda: try_webhook(self._cluster, operator, connections.insight.reachable),
        )
        yield "tls-aws", self._aws("Secrets Manager", "secretsmanager"), self._weakest_of_aws
        database, cache = connections.database, connections.cache
        yield "tls-database", _where("PostgreSQL", database), lambda: _database(database)
        yield "tls-cache", _where("Redis", cache), lambda: _cache(cache)
        application = connections.endpoints.application
        yield "tls-application", f"the application at {application}", lambda: _url(application)

    def _weakest_of_aws(self) -> Hop:
        hops = [try_url(self._clients[service].meta.endpoint_url) for service in _AWS]
        return next((hop for hop in hops if hop.protocol is None or hop.untrusted), hops[0])


class _NoAddressError(MitaError):
    """Nobody handed over where something is."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            expected="an address in the connections",
            seen="none",
            remedy="Describe it in the environment's configuration.",
        )


def _where(name: str, login: ServerLogin | None) -> str:
    return f"{name} at {login.host}:{login.port}" if login else name


def _database(login: ServerLogin | None) -> Hop:
    if login is None:
        raise _NoAddressError("PostgreSQL")
    return try_server(login.host, login.port, authority=_authority(login), opening=postgresql)


def _cache(login: ServerLogin | None) -> Hop:
    if login is None:
        raise _NoAddressError("Redis")
    return try_redis(login.host, login.port, authority=_authority(login))


def _authority(login: ServerLogin) -> str | None:
    return login.authority.read_text(encoding="ascii") if login.authority else None


def _url(address: str | None) -> Hop:
    if address is None:
        raise _NoAddressError("the application")
    return try_url(address)


def _answer[T](where: str, question: Callable[[], T]) -> T | Unknown:
    try:
        with explained(where):
            return question()
    except MitaError as error:
        return Unknown(where, error.seen)
    except (OSError, ValueError) as error:  # a file that cannot be read, an answer of another form
        return Unknown(where, type(error).__name__)
