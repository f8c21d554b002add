"""What the deployer is handed: clients and addresses, never an environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_cache_path
from pydantic import SecretStr

from deployer.compliance.insight import Insight

if TYPE_CHECKING:  # a second of imports that not every command needs
    from kubernetes.client import ApiClient


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """The Kubernetes cluster as AWS IAM has to know it.

    Attributes:
        name: Cluster name, ``mita-production`` in the guide.
        context: Name of the kubeconfig context that leads to it.
        oidc_issuer: URL of the issuer of its service-account tokens.
        certificate_authority: PEM of the authority behind its API and its issuer.
    """

    name: str
    context: str
    oidc_issuer: str
    certificate_authority: str


@dataclass(frozen=True, slots=True)
class ServerLogin:
    """A server and the administrator's login on it, with which logins for MITA are provisioned.

    Attributes:
        authority: PEM file of the authority behind its certificate; None where it does not speak TLS.
    """

    host: str
    port: int
    username: str
    password: SecretStr
    database: str = ""
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of the running system answer.

    ``None`` stands for a part that this environment does not have; the environment
    then lacks the matching capability as well.

    Attributes:
        application: Base URL of the MITA application as its users reach it.
        prometheus: Base URL of Prometheus.
        grafana: Base URL of Grafana.
        slack: URL of the Slack webhook.
        pagerduty: Base URL of PagerDuty's Events API.
    """

    application: str | None = None
    prometheus: str | None = None
    grafana: str | None = None
    slack: str | None = None
    pagerduty: str | None = None


@dataclass(frozen=True, slots=True)
class HelmChart:
    """A chart to install from: a local path, or a name within a repository."""

    reference: str
    version: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """Everything the deployer needs to reach the place it deploys to.

    Attributes:
        account: AWS account id, twelve digits, that the credentials must belong to.
        region: AWS region.
        aws: Makes a boto3 client for a service name.
        kubernetes: Client of the cluster's API.
        kubeconfig: File with the context that `kubernetes` uses, for Helm and kubectl.
        cluster: The cluster's identity.
        helm: Path of the Helm program.
        promtool: Path of Prometheus' checker; None where it is not to be had.
        operator_chart: External Secrets Operator's chart.
        operator_values: Helm values that this environment adds to the guide's for the operator
            (for example the addresses of AWS' stand-in).
        application_values: Helm values that this environment adds for MITA's own chart.
        manifest_values: What this environment puts in the place of the desired state's `manifest_values`.
        database: PostgreSQL and its administrator; None where logins are provisioned elsewhere.
        cache: Redis and its administrator; None where logins are provisioned elsewhere.
        endpoints: Addresses of the running system's parts.
        pagerduty_key: Routing key of the PagerDuty service that is told of alerts; None where there is none.
        function_environment: Variables that this environment adds for the rotation functions
            (for example that servers have no TLS, or by which authority it is verified).
        insight: What the environment lets the encryption validator see, and excuses.
        build_cache: Directory for what the functions' packages are made of.
        approvals: File of the approvals that a deployment needs here; None where nothing is at stake.
    """

    account: str
    region: str
    aws: Callable[[str], Any]
    kubernetes: ApiClient
    kubeconfig: Path
    cluster: ClusterIdentity
    helm: Path
    operator_chart: HelmChart
    operator_values: Mapping[str, Any] = field(default_factory=dict)
    application_values: Mapping[str, Any] = field(default_factory=dict)
    manifest_values: Mapping[str, str] = field(default_factory=dict)
    database: ServerLogin | None = None
    cache: ServerLogin | None = None
    endpoints: Endpoints = field(default_factory=Endpoints)
    pagerduty_key: SecretStr | None = None
    promtool: Path | None = None
    function_environment: Mapping[str, str] = field(default_factory=dict)
    insight: Insight = field(default_factory=Insight)
    build_cache: Path = field(default_factory=lambda: user_cache_path("mita"))
    approvals: Path | None = None

    @property
    def facts(self) -> Mapping[str, str | int]:
        """What secrets take from here: where servers are, and how Redis' URLs begin."""
        facts: dict[str, str | int] = {}
        for name, server in (("database", self.database), ("cache", self.cache)):
            if server is not None:
                facts |= {f"{name}.host": server.host, f"{name}.port": server.port}
        if self.cache is not None and self.cache.authority is not None:
            facts["cache.scheme"] = "rediss"
        return facts
