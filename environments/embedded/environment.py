"""The embedded environment, as the features and the commands use it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient
from localstack_client.session import Session

from deployer.cluster import Cluster
from deployer.compliance.insight import Insight
from deployer.connections import ClusterIdentity, Connections, Endpoints, HelmChart
from deployer.errors import MitaError, NotReadyError
from deployer.failures import explained
from deployer.progress import Progress
from environments.disruption import Server, Trouble, Troubled
from environments.embedded import toolchain
from environments.embedded.access import AWS_CREDENTIALS_FILE, Access
from environments.embedded.aws import FAULTS
from environments.embedded.aws.installation import NAME as LOCALSTACK
from environments.embedded.aws.installation import ensure_localstack
from environments.embedded.aws.localstack import ACCOUNT
from environments.embedded.control_plane.configuration import CONTEXT
from environments.embedded.disruption import PROCESSES, TroubledCalls, end_function
from environments.embedded.etcd import read_everything
from environments.embedded.exemptions import loopback_exemptions
from environments.embedded.launch import OwnedHost, RunningHost
from environments.embedded.lawful import LAWFUL
from environments.embedded.locations import cache_directory
from environments.embedded.network import Network
from environments.embedded.run_directory import run_root
from environments.protocol import Capability
from environments.searchable import Searchable

_APPLICATION = "mita-production"
_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": _APPLICATION, "namespace": _APPLICATION},
}
_LOG_BYTES = 1_000_000
_SHOWN = (
    ("v1", "Pod"),
    ("v1", "Event"),
    ("apps/v1", "Deployment"),
    ("external-secrets.io/v1beta1", "ExternalSecret"),
    ("external-secrets.io/v1beta1", "SecretStore"),
)


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
        access = self.access
        session = Session(
            aws_access_key_id=access.aws_access_key,
            aws_secret_access_key=access.aws_secret_key.get_secret_value(),
            region_name=access.aws_region,
            localstack_host=access.aws_url.removeprefix("http://").rpartition(":")[0],
        )
        return session.client(service)

    def kubernetes(self) -> ApiClient:
        """Make a client of the cluster as an administrator."""
        client: ApiClient = config.new_client_from_config(  # type: ignore[no-untyped-call]  # it has no types
            config_file=str(self.kubeconfig), context=CONTEXT
        )
        return client

    def connections(self) -> Connections:
        """Everything that the deployer needs."""
        access = self.access
        return Connections(
            account=ACCOUNT,
            region=access.aws_region,
            aws=self.aws,
            kubernetes=self.kubernetes(),
            kubeconfig=self.kubeconfig,
            cluster=self.cluster,
            helm=access.tools["helm"],
            operator_chart=HelmChart(str(access.tools["operator_chart"])),
            operator_values={
                "extraEnv": [
                    {"name": f"AWS_{service}_ENDPOINT", "value": access.aws_url}
                    for service in ("SECRETSMANAGER", "STS")
                ],
                # Named, although it is the default, so that the node puts the pod's own address before it.
                "extraArgs": {"metrics-addr": ":8080"},
            },
            manifest_values={
                "AWS_ENDPOINT": access.aws_url,
                "RUNBOOK": "docs/runbooks/alerts.md",
                "OTHER_READERS": f"arn:aws:iam::{ACCOUNT}:root",  # this administrator
                # Whoever waits for an alert here wants to see it within seconds.
                "ALERT_FOR": "1s",
                "STALE_SECONDS": "30",  # twice what is between two refreshes
                "PENDING_SECONDS": "3",
                "LOGIN_WINDOW": "15s",
                "EXPORTER_SECONDS": "2",
                "READS_SECONDS": "5",
            },
            database=access.database.login(),
            cache=access.cache.login(),
            endpoints=self.endpoints,
            pagerduty_key=access.pagerduty_key,
            promtool=access.tools["promtool"],
            function_environment={"SERVER_TLS": "off"},  # neither of the servers is built with it
            insight=Insight(
                stored_state=self.stored_state,
                audit_log=self._end_of_audit_log,
                reachable=Network(access.network).bound,
                exemptions=loopback_exemptions(access.certificate_authority),
            ),
            build_cache=cache_directory(),
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
            "AWS_ENDPOINT_URL": access.aws_url,
            "AWS_SHARED_CREDENTIALS_FILE": str(run_root(self.instance) / AWS_CREDENTIALS_FILE),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_PROFILE": "default",
            "AWS_REGION": access.aws_region,
            "AWS_DEFAULT_REGION": access.aws_region,
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
        """Yield the records of the API server's audit log, but for one that is still being written."""
        with self.access.audit_log.open(encoding="utf-8") as log:
            for line in log:
                if line.endswith("\n"):
                    yield json.loads(line)

    def searchable(self) -> Searchable:
        """Return its run directory and its host, the parent of everything that it runs.

        Raises:
            NotReadyError: It does not run.
        """
        return Searchable(run_root(self.instance), self._host().pid, LAWFUL)

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

    def end_function(self, name: str) -> int:
        """End the processes that a function runs in, without a word; returns how many there were."""
        return end_function(self.access.run_id, name)

    def trouble(self, trouble: Trouble) -> Troubled:
        """Bring calls of AWS into trouble.

        Raises:
            NotReadyError: LocalStack does not take it.
        """
        return TroubledCalls(run_root(self.instance) / FAULTS, trouble)

    def _end_of_audit_log(self) -> bytes:
        with self.access.audit_log.open("rb") as log:
            log.seek(max(0, self.access.audit_log.stat().st_size - _LOG_BYTES))
            return log.read()

    def notifications(self) -> Sequence[Mapping[str, Any]]:
        """Return what the stand-ins for Slack and PagerDuty were sent.

        Raises:
            ServiceError: They do not answer.
        """
        with explained("stand-ins for Slack and PagerDuty"):
            answer = urllib3.request(
                "GET", f"{self.access.pagerduty_url}/notifications", timeout=5, retries=False
            )
            found: list[Mapping[str, Any]] = answer.json()
        return found

    def collect(self, into: Path) -> None:
        """Copy the ends of all logs, the host's word on its processes, and the states of objects."""
        into.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(MitaError):
            if host := RunningHost.find(self.instance):
                _write(into / "host.json", host.status)
        logs = run_root(self.instance) / "logs"
        for log in sorted(logs.rglob("*.log")):
            _copy_end(log, into / "logs" / log.relative_to(logs))
        if self._access is not None:
            for kind, objects in _objects(Cluster(self.kubernetes())):
                _write(into / "objects" / f"{kind}.json", objects)


def _objects(cluster: Cluster) -> Iterator[tuple[str, object]]:
    for version, kind in _SHOWN:
        try:
            yield kind, cluster.list(version, kind)
        except Exception as error:  # noqa: BLE001  what cannot be read is part of the evidence
            yield kind, {"could not be read": repr(error)}


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=str))


def _copy_end(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        file.seek(max(0, source.stat().st_size - _LOG_BYTES))
        with target.open("wb") as copy:
            shutil.copyfileobj(file, copy)
