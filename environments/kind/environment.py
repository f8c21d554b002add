"""The kind environment, as the features and the commands use it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock
from kubernetes.client import ApiClient

from deployer.cluster import Cluster
from deployer.compliance.insight import Insight
from deployer.connections import ClusterIdentity, Connections, Endpoints
from deployer.errors import ConfigurationError, MitaError, NotReadyError
from deployer.progress import Progress, Step, silent
from environments.administrator import aws_client, cluster_client
from environments.collection import KINDS, audit_records, copy_end, end_of, write_objects
from environments.disruption import Server, Trouble, Troubled
from environments.embedded.aws import FAULTS
from environments.embedded.aws.localstack import TRAIL
from environments.embedded.control_plane.configuration import CONTEXT
from environments.embedded.etcd import read_everything
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import Toolchain
from environments.kind.access import AWS_CREDENTIALS_FILE, Access, home, remove_home
from environments.kind.cluster import AUDIT_LOG, KUBECONFIG, MOUNTED, KindCluster, cluster_name
from environments.kind.containers import Containers
from environments.kind.creation import CLUSTER, ETCD, ETCD_PORT, make
from environments.kind.deployment import NODE_PORT, handed_over
from environments.kind.disruption import Disruptions
from environments.kind.engine import Engine, find_engine, memory_of
from environments.kind.images import ensure_images
from environments.kind.offline.programs import PROGRAMS
from environments.kind.servers import Servers, try_cache, try_database
from environments.managed import Part, State
from environments.monitoring.notifications import delivered
from environments.protocol import KUBELET_SECONDS, Capability
from environments.troubled_calls import TroubledCalls

_APPLICATION = "mita-production"
_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": _APPLICATION, "namespace": _APPLICATION},
}
_INSTANCE = re.compile(r"[a-z0-9][a-z0-9-]{0,20}")
_PARTS = ("control-plane", "localstack", "postgresql", "redis", "monitoring")


class KindEnvironment:
    """A kind cluster, and LocalStack, PostgreSQL and Redis in containers beside it.

    Args:
        instance: Which one; ``default`` is that of ``mita up --environment kind``.

    Raises:
        ConfigurationError: The instance cannot be part of a container's name.
    """

    capabilities = frozenset(
        {
            Capability.CHANGES_ALLOWED,
            Capability.IAM_ENFORCEMENT,
            Capability.ROTATION,
            Capability.AUDIT_TRAIL,
            Capability.CLUSTER_AUDIT,
            Capability.ETCD_ACCESS,
            Capability.DISRUPTIONS,
            Capability.MONITORING,
            Capability.NOTIFICATIONS,
        }
    )

    renewal_seconds = KUBELET_SECONDS

    def __init__(self, instance: str = "default") -> None:
        if not _INSTANCE.fullmatch(instance):
            raise ConfigurationError(
                "--environment",
                expected="kind, or kind:NAME with lower-case letters, digits and hyphens",
                seen=f"kind:{instance}",
                remedy="Choose another name.",
            )
        self.instance = instance
        self._access: Access | None = None
        self._ours = False

    @property
    def name(self) -> str:
        """The name that ``--environment`` takes."""
        return "kind" if self.instance == "default" else f"kind:{self.instance}"

    # ---- start and stop

    def start(self, progress: Progress) -> None:
        """Attach to the environment where it runs; otherwise make one, which `stop` removes.

        Raises:
            MitaError: It cannot be made; nothing of it is left but its logs.
        """
        if self.attach():
            return
        engine = find_engine()
        images = ensure_images(engine, progress)
        with self._alone():
            if self.attach():  # another run has made it while this one waited
                return
            self._clear(engine)
            try:
                self._access = make(
                    self._cluster(engine),
                    Servers(self._containers(engine), home(self.instance)),
                    images,
                    home(self.instance),
                    progress,
                )
            except BaseException:
                self._clear(engine)
                raise
            self._access.write(self.instance)
        self._ours = True

    def attach(self) -> bool:
        """Attach to the environment if it runs.

        Raises:
            MitaError: It does, but not as it should.
        """
        access = self._read()
        if access is None:
            return False
        ended = [each.name for each in self._parts() if each.state != "running"]
        if ended:
            raise NotReadyError(
                f"environment {self.name}",
                expected="every container of it to run",
                seen=f"not so: {', '.join(ended)}",
                remedy=f"Make it anew: mita down --environment {self.name}, then mita up.",
            )
        self._access = access
        return True

    def _read(self) -> Access | None:
        try:
            return Access.read(self.instance)
        except ValueError:
            raise ConfigurationError(
                str(home(self.instance)),
                expected="what this version writes",
                seen="what another version wrote",
                remedy=f"Remove the environment: mita down --environment {self.name}",
            ) from None

    @property
    def is_ours(self) -> bool:
        """Whether this object made it, and removes it."""
        return self._ours

    def detach(self) -> None:
        """Leave it running when this process ends."""
        self._ours = False

    def stop(self) -> None:
        """Remove it if this object made it."""
        self._access = None
        if self._ours:
            self._ours = False
            self.remove(silent)

    def remove(self, progress: Progress) -> bool:
        """Remove everything of it, in whatever state it is; tells whether there was anything.

        Raises:
            MitaError: Something cannot be removed.
        """
        engine = find_engine()
        progress(Step(self.name, "progress", "removing its containers"))
        with self._alone():
            there = self._containers(engine).all() or home(self.instance).exists()
            self._clear(engine)
        return bool(there)

    def state(self) -> State | None:
        """Return how it and its containers do; None where it does not run."""
        access = self._read()
        if access is None:
            return None
        parts = self._parts()
        told = {"began": access.began, "processes": [asdict(each) for each in parts]}
        return State(access.began, f"Docker's network {cluster_name(self.instance)}", parts, told)

    def _parts(self) -> list[Part]:
        prefix = cluster_name(self.instance)
        found = {each.name: each for each in find_engine().client.containers.list(all=True)}
        return [
            Part(name, found[name].short_id, found[name].status) if name in found else Part(name, "", "gone")
            for name in (f"{prefix}-{part}" for part in _PARTS)
        ]

    @property
    def access(self) -> Access:
        """How its servers are reached.

        Raises:
            NotReadyError: It has not been started.
        """
        if self._access is None:
            raise NotReadyError(
                f"environment {self.name}",
                expected="it to be started before it is used",
                seen="it is not",
                remedy=f"Start it: mita up --environment {self.name}",
            )
        return self._access

    # ---- what it gives

    @property
    def endpoints(self) -> Endpoints:
        """Where the monitoring answers, and the application once it is deployed."""
        service = Cluster(self.kubernetes()).get(_SERVICE)
        access = self.access
        return Endpoints(
            application=None if service is None else f"http://{access.node}:{NODE_PORT}",
            prometheus=access.prometheus,
            slack=access.slack_url.get_secret_value(),
            pagerduty=access.pagerduty_url,
        )

    @property
    def cluster(self) -> ClusterIdentity:
        """The cluster's identity, under the guide's name."""
        access = self.access
        return ClusterIdentity(CLUSTER, CONTEXT, access.issuer, access.certificate_authority)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return home(self.instance) / KUBECONFIG

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients are made at run time; they have no common type
        """Make a client of LocalStack as the administrator."""
        return aws_client(self.access.aws, service)

    def kubernetes(self) -> ApiClient:
        """Make a client of the cluster as an administrator."""
        return cluster_client(self.kubeconfig)

    def connections(self) -> Connections:
        """Everything that the deployer needs."""
        return handed_over(
            self.access,
            aws=self.aws,
            kubernetes=self.kubernetes(),
            kubeconfig=self.kubeconfig,
            cluster=self.cluster,
            endpoints=self.endpoints,
            insight=Insight(stored_state=self.stored_state, audit_log=lambda: end_of(self._audit_log)),
        )

    def exports(self) -> Mapping[str, str]:
        """Variables for kubectl, helm, the AWS CLI and curl of the user's own; credentials go by file."""
        exports = {
            "KUBECONFIG": str(self.kubeconfig),
            **self.access.aws.variables(home(self.instance) / AWS_CREDENTIALS_FILE),
        }
        application = self.endpoints.application
        return exports | ({"MITA_APP_URL": application} if application else {})

    # ---- disruptions

    def restart(self, server: Server) -> None:
        """End a server and start it anew.

        Raises:
            MitaError: It does not become ready again.
        """
        access = self.access
        probe = {
            Server.DATABASE: lambda: try_database(access.database.login()),
            Server.CACHE: lambda: try_cache(access.cache.login()),
            Server.CLUSTER: lambda: Cluster(self.kubernetes()).call("GET", "/version"),
        }[server]
        self._disruptions().restart(server, probe)

    def freeze(self, server: Server, seconds: float) -> None:
        """Keep a server from doing anything for some seconds."""
        self._disruptions().freeze(server, seconds)

    def connected(self, server: Server) -> int:
        """Return how many connections a server has at the moment."""
        return self._disruptions().connected(server)

    def end_function(self, name: str) -> int:
        """End the processes that a function runs in, without a word; returns how many there were."""
        return self._disruptions().end_function(name)

    def trouble(self, trouble: Trouble) -> Troubled:
        """Bring calls of AWS into trouble.

        Raises:
            NotReadyError: LocalStack does not take it.
        """
        return TroubledCalls(home(self.instance) / FAULTS, trouble)

    def notifications(self) -> Sequence[Mapping[str, Any]]:
        """Return what the stand-ins for Slack and PagerDuty were sent.

        Raises:
            ServiceError: They do not answer.
        """
        return delivered(self.access.pagerduty_url)

    def _disruptions(self) -> Disruptions:
        return Disruptions(find_engine(), cluster_name(self.instance))

    # ---- evidence

    def memory_bytes(self) -> int:
        """Return what the nodes and servers hold, without files that they may give back at any time.

        Raises:
            MitaError: Docker does not answer.
        """
        engine = find_engine()
        containers = (*self._containers(engine).all(), *self._cluster(engine).nodes)
        return memory_of(containers)

    def stored_state(self) -> bytes:
        """Return what etcd holds, as it is kept there.

        Raises:
            NotReadyError: It does not answer.
        """
        place = home(self.instance) / ETCD
        return read_everything(
            f"https://{self.access.node}:{ETCD_PORT}",
            authority=place / "ca.crt",
            certificate=place / "client.crt",
            key=place / "client.key",
        )

    def cluster_audit(self) -> Iterator[Mapping[str, Any]]:
        """Return the records of the API server's audit log, but for one that is still being written."""
        return audit_records(self._audit_log)

    def collect(self, into: Path) -> None:
        """Copy what kind collects of nodes and pods, the servers' logs, and the states of objects."""
        into.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(MitaError):
            engine = find_engine()
            for container in self._containers(engine).all():
                (into / f"{container.name}.log").write_bytes(container.logs(tail=2000))
            self._cluster(engine).collect(into / "kind")
        for log in (self._audit_log, home(self.instance) / TRAIL):
            if log.exists():
                copy_end(log, into / log.name)
        if self._access is not None:
            write_objects(Cluster(self.kubernetes()), into / "objects", (*KINDS, ("v1", "Event")))

    @property
    def _audit_log(self) -> Path:
        return home(self.instance) / MOUNTED / AUDIT_LOG

    # ---- made

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        place = home(self.instance)
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            yield

    def _clear(self, engine: Engine) -> None:
        """Remove what is ours: a cluster only where our network tells that we made it."""
        self._containers(engine).remove()
        cluster = self._cluster(engine)
        if cluster.is_ours:
            cluster.delete()
        remove_home(self.instance)

    def _cluster(self, engine: Engine) -> KindCluster:
        kind = Toolchain(cache_directory(), PROGRAMS).ensure(silent, ["kind"])["kind"]
        return KindCluster(engine, kind, self.instance, home(self.instance))

    def _containers(self, engine: Engine) -> Containers:
        return Containers(engine, self.instance, cluster_name(self.instance))
