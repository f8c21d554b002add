"""The embedded environment, as the features and the commands use it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes.client import ApiClient

from deployer.cluster import Cluster
from deployer.connections import ClusterIdentity, Connections, Endpoints
from deployer.errors import MitaError, NotReadyError
from deployer.progress import Progress
from environments.administrator import aws_client, cluster_client
from environments.collection import KINDS, audit_records, copy_end, write_objects
from environments.disruption import Server, Trouble, Troubled
from environments.embedded import launch, toolchain
from environments.embedded.access import AWS_CREDENTIALS_FILE, Access
from environments.embedded.aws import FAULTS
from environments.embedded.aws.installation import NAME as LOCALSTACK
from environments.embedded.aws.installation import ensure_localstack
from environments.embedded.control_plane.configuration import CONTEXT
from environments.embedded.deployment import handed_over
from environments.embedded.disruption import PROCESSES, connections_to, end_function
from environments.embedded.etcd import read_everything
from environments.embedded.launch import OwnedHost, RunningHost
from environments.embedded.lawful import LAWFUL
from environments.embedded.network import Network
from environments.embedded.processes.memory import memory_of
from environments.embedded.run_directory import run_root
from environments.managed import Part, State
from environments.monitoring.notifications import delivered
from environments.protocol import Capability
from environments.searchable import Searchable
from environments.troubled_calls import TroubledCalls

_APPLICATION = "mita-production"
_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": _APPLICATION, "namespace": _APPLICATION},
}


class EmbeddedEnvironment:
    """LocalStack, a control plane with a process node, PostgreSQL and Valkey on this machine.

    Args:
        instance: Which one; ``default`` is that of ``mita up``.
    """

    capabilities = frozenset(
        {
            Capability.ETCD_ACCESS,
            Capability.CHANGES_ALLOWED,
            Capability.IAM_ENFORCEMENT,
            Capability.ROTATION,
            Capability.AUDIT_TRAIL,
            Capability.CLUSTER_AUDIT,
            Capability.MONITORING,
            Capability.NOTIFICATIONS,
            Capability.DISRUPTIONS,
        }
    )

    def __init__(self, instance: str = "default") -> None:
        self.instance = instance
        self._owned: OwnedHost | None = None
        self._access: Access | None = None

    @property
    def name(self) -> str:
        """The name that ``--environment`` takes."""
        return "embedded" if self.instance == "default" else f"embedded:{self.instance}"

    # ---- start and stop

    def start(self, progress: Progress) -> None:
        """Attach to the environment where it runs; otherwise start one that ends with this process.

        Raises:
            MitaError: It cannot be started, or one of its servers has ended.
        """
        if not self.attach():
            tools = {**toolchain.ensure(progress), LOCALSTACK: ensure_localstack(progress)}
            self._owned = OwnedHost.start(self.instance, tools, progress)
            self._access = Access.read(self.instance)

    def attach(self) -> bool:
        """Attach to the environment if it runs.

        Raises:
            MitaError: It does, but not as it should.
        """
        host = RunningHost.find(self.instance)
        if host is not None:
            host.require_whole()
            self._access = host.access
        return host is not None

    @property
    def is_ours(self) -> bool:
        """Whether this object started it, and stops it."""
        return self._owned is not None

    def detach(self) -> None:
        """Leave it running when this process ends."""
        if self._owned is not None:
            self._owned.detach()
            self._owned = None

    def stop(self) -> None:
        """Stop it if this object started it."""
        self._access = None
        if self._owned is not None:
            owned, self._owned = self._owned, None
            owned.stop()

    def remove(self, progress: Progress) -> bool:
        """Stop it, in whatever state it is, and remove what a dead one left.

        Raises:
            MitaError: Something cannot be ended or removed.
        """
        return launch.stop(self.instance, progress)

    def state(self) -> State | None:
        """Return how it and its servers do; None where it does not run.

        Raises:
            NotReadyError: It is still starting, or does not answer.
        """
        host = RunningHost.find(self.instance)
        if host is None:
            return None
        told = host.status
        parts = [
            Part(each["name"], str(each["pid"]), each["outcome"] or "running") for each in told["processes"]
        ]
        return State(told["began"], f"127.{told['network']}.0.0/16", parts, told)

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
                remedy="Start it: mita up",
            )
        return self._access

    # ---- what it gives

    @property
    def endpoints(self) -> Endpoints:
        """Where the monitoring answers on this machine, and the application once it is deployed."""
        access = self.access
        service = Cluster(self.kubernetes()).get(_SERVICE)
        application = None
        if service is not None:
            address = Network(access.network).bound(service["spec"]["clusterIP"])
            application = f"http://{address}:{service['spec']['ports'][0]['port']}"
        return Endpoints(
            application=application,
            prometheus=access.prometheus,
            slack=access.slack_url.get_secret_value(),
            pagerduty=access.pagerduty_url,
        )

    @property
    def cluster(self) -> ClusterIdentity:
        """The cluster's identity, under the guide's name."""
        return ClusterIdentity(
            name=_APPLICATION,
            context=CONTEXT,
            oidc_issuer=self.access.oidc_issuer,
            certificate_authority=self.access.certificate_authority,
        )

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.access.kubeconfig

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
            cluster=self.cluster,
            endpoints=self.endpoints,
            stored_state=self.stored_state,
        )

    def exports(self) -> Mapping[str, str]:
        """Variables for kubectl, helm, the AWS CLI and curl of the user's own.

        Credentials go by file, so that none is shown on a terminal.
        """
        access = self.access
        path = os.environ.get("PATH", os.defpath).split(os.pathsep)
        ours = [str(access.tools[name].parent) for name in ("kubectl", "helm")]
        exports = {
            "KUBECONFIG": str(access.kubeconfig),
            **access.aws.variables(run_root(self.instance) / AWS_CREDENTIALS_FILE),
            # The user's own programs come first.
            "PATH": os.pathsep.join([*path, *(each for each in ours if each not in path)]),
        }
        if self.endpoints.application is not None:
            exports["MITA_APP_URL"] = self.endpoints.application
        return exports

    # ---- evidence

    def stored_state(self) -> bytes:
        """Return what etcd holds, as it is kept there.

        Raises:
            NotReadyError: It does not answer.
        """
        access = self.access
        return read_everything(
            access.etcd_url,
            authority=access.etcd_authority,
            certificate=access.etcd_certificate,
            key=access.etcd_key,
        )

    def cluster_audit(self) -> Iterator[Mapping[str, Any]]:
        """Return the records of the API server's audit log, but for one that is still being written."""
        return audit_records(self.access.audit_log)

    def searchable(self) -> Searchable:
        """Return its run directory and its host, the parent of everything that it runs.

        Raises:
            NotReadyError: It does not run.
        """
        return Searchable(run_root(self.instance), self._host().pid, LAWFUL)

    def memory_bytes(self) -> int:
        """Return what the host and everything that it runs hold; what they share is counted once.

        Raises:
            NotReadyError: It does not run.
        """
        return memory_of(self._host().pid)

    def _host(self) -> RunningHost:
        host = RunningHost.find(self.instance)
        if host is None:
            raise NotReadyError(
                f"environment {self.name}",
                expected="it to run",
                seen="it does not",
                remedy="Read its logs; start it again: mita up",
            )
        return host

    # ---- disruptions

    def restart(self, server: Server) -> None:
        """End a server and start it anew.

        Raises:
            MitaError: It does not become ready again.
        """
        self._host().restart(PROCESSES[server])

    def freeze(self, server: Server, seconds: float) -> None:
        """Keep a server from doing anything for some seconds."""
        self._host().freeze(PROCESSES[server], seconds)

    def connected(self, server: Server) -> int:
        """Return how many connections a server has at the moment."""
        access = self.access
        cluster = urlsplit(access.oidc_issuer)  # which the API server is
        host, port = {
            Server.DATABASE: (access.database.host, access.database.port),
            Server.CACHE: (access.cache.host, access.cache.port),
            Server.CLUSTER: (str(cluster.hostname), cluster.port),
        }[server]
        return connections_to(host, port or 0)

    def end_function(self, name: str) -> int:
        """End the processes that a function runs in, without a word; returns how many there were."""
        return end_function(self.access.run_id, name)

    def trouble(self, trouble: Trouble) -> Troubled:
        """Bring calls of AWS into trouble.

        Raises:
            NotReadyError: LocalStack does not take it.
        """
        return TroubledCalls(run_root(self.instance) / FAULTS, trouble)

    def notifications(self) -> Sequence[Mapping[str, Any]]:
        """Return what the stand-ins for Slack and PagerDuty were sent.

        Raises:
            ServiceError: They do not answer.
        """
        return delivered(self.access.pagerduty_url)

    def collect(self, into: Path) -> None:
        """Copy the ends of all logs, the host's word on its processes, and the states of objects."""
        into.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(MitaError):
            if host := RunningHost.find(self.instance):
                (into / "host.json").write_text(json.dumps(host.status, indent=1, default=str))
        logs = run_root(self.instance) / "logs"
        for log in sorted(logs.rglob("*.log")):
            copy_end(log, into / "logs" / log.relative_to(logs))
        if self._access is not None:
            write_objects(Cluster(self.kubernetes()), into / "objects", (*KINDS, ("v1", "Event")))
