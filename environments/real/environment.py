"""A real environment, as the features and the commands use it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from kubernetes import config
from kubernetes.client import ApiClient
from kubernetes.client import Configuration as ClientConfiguration

from deployer.cluster import Cluster
from deployer.connections import ClusterIdentity, Connections, Endpoints, HelmChart
from deployer.desired import read
from deployer.errors import ConfigurationError
from deployer.failures import explained
from deployer.progress import Progress, Step
from environments.collection import write_objects
from environments.guard.aws import RETRIES
from environments.guard.identity import require_cluster, require_credentials
from environments.protocol import KUBELET_SECONDS, Capability
from environments.real.configuration import Configuration

_SESSION = "mita-acceptance"


class RealEnvironment:
    """AWS by boto3's own chain, Kubernetes by a context of the kubeconfig; nothing is started or stopped.

    Without a change that is authorised it belongs behind a `ReadOnlyEnvironment`, where
    `environments.registry` puts it.

    Args:
        name: The name that ``--environment`` takes.
        configuration: What describes it.
        role: ARN of the role to take on; None: as whoever the chain finds.
        change: Id of the change that was authorised; None: nothing may be changed.
    """

    renewal_seconds = KUBELET_SECONDS

    def __init__(
        self, name: str, configuration: Configuration, *, role: str | None = None, change: str | None = None
    ) -> None:
        self.name = name
        self.configuration = configuration
        self.change = change
        self._role = role

    @property
    def account(self) -> str:
        """The AWS account that its credentials must belong to."""
        return self.configuration.aws.account

    @property
    def approvals(self) -> Path:
        """File of the approvals that a deployment needs."""
        return self.configuration.approvals

    @property
    def deployers(self) -> frozenset[str]:
        """Names, as the audit trail has them, of those who deploy."""
        aws = self.configuration.aws
        role = {aws.deployment_role.rpartition("/")[2]} if aws.deployment_role else set()
        return aws.deployers | role

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the configuration says, and changes where one is authorised."""
        changes = {Capability.CHANGES_ALLOWED} if self.change is not None else set()
        return self.configuration.shown | changes

    # ---- start and stop

    def start(self, progress: Progress) -> None:
        """Take on the role; find out, where changes are allowed, that this is the configured place.

        Where nothing may be changed its guard finds that out.

        Raises:
            RefusedError: It is another account, context or cluster.
            MitaError: It cannot be reached.
        """
        _ = self._session
        if self.change is None:
            return
        require_credentials(self.aws("sts"), self.account, self.kubeconfig, self.cluster)
        require_cluster(self.kubernetes(), self.cluster, self.kubeconfig)
        progress(Step(f"identity of {self.name}", "done", f"account {self.account}, change {self.change}"))

    def stop(self) -> None:
        """Leave it as it is."""

    # ---- what it gives

    @property
    def endpoints(self) -> Endpoints:
        """Those of the configuration."""
        return Endpoints(**self.configuration.endpoints.model_dump())

    @cached_property
    def cluster(self) -> ClusterIdentity:
        """The cluster of the configuration."""
        settings, authority = self.configuration.cluster, ""
        if settings.certificate_authority is not None:
            try:
                authority = settings.certificate_authority.read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(
                    "cluster.certificate_authority",
                    expected="a PEM file that can be read",
                    seen=f"{settings.certificate_authority}: {type(error).__name__}",
                    remedy="Name the file of the authority behind the issuer's certificate.",
                ) from error
        return ClusterIdentity(settings.name, settings.context, settings.oidc_issuer, authority)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the configuration."""
        return self.configuration.cluster.kubeconfig

    @cached_property
    def _session(self) -> boto3.Session:
        aws = self.configuration.aws
        with explained("AWS credentials"):
            base = boto3.Session(profile_name=aws.profile, region_name=aws.region)
            if self._role is None:
                return base
            taken = base.client("sts", config=RETRIES).assume_role(
                RoleArn=self._role, RoleSessionName=_SESSION
            )["Credentials"]
        return boto3.Session(
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
            region_name=aws.region,
            profile_name=aws.profile,
        )

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients are made at run time; they have no common type
        """Make a client as the configured role, or as whoever boto3's chain finds."""
        session: Any = self._session  # its stubs know each service by name only
        with explained(f"AWS {service}"):
            return session.client(service, config=RETRIES)

    def kubernetes(self) -> ApiClient:
        """Make a client for the configured context; the kubeconfig is left as it is."""
        configuration = ClientConfiguration()
        config.load_kube_config(  # type: ignore[no-untyped-call]  # it has no types
            config_file=str(self.kubeconfig),
            context=self.cluster.context,
            client_configuration=configuration,
            persist_config=False,
        )
        return ApiClient(configuration)

    def connections(self) -> Connections:
        """Everything that the deployer needs; logins are provisioned by whoever runs the servers."""
        settings = self.configuration
        return Connections(
            account=self.account,
            region=settings.aws.region,
            aws=self.aws,
            kubernetes=self.kubernetes(),
            kubeconfig=self.kubeconfig,
            cluster=self.cluster,
            helm=settings.require_helm(),
            operator_chart=HelmChart(
                settings.helm.operator_chart,
                settings.helm.operator_version,
                settings.helm.operator_repository,
            ),
            endpoints=self.endpoints,
            approvals=settings.approvals,
        )

    def exports(self) -> Mapping[str, str]:
        """Variables with which the user's own programs go to the same place."""
        aws, application = self.configuration.aws, self.configuration.endpoints.application
        exports = {
            "KUBECONFIG": str(self.kubeconfig),
            "AWS_REGION": aws.region,
            "AWS_DEFAULT_REGION": aws.region,
        }
        exports |= {"AWS_PROFILE": aws.profile} if aws.profile else {}
        return exports | ({"MITA_APP_URL": application} if application else {})

    def collect(self, into: Path) -> None:
        """Write down the states of the objects that a failure is likely to be about."""
        write_objects(Cluster(self.kubernetes()), into, namespace=read().namespace)
