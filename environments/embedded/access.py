"""How a running embedded environment is reached: written by its host, read by whoever attaches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from deployer.connections import ServerLogin
from environments.embedded.aws.localstack import AwsEndpoint
from environments.embedded.run_directory import RunDirectory, run_root

if TYPE_CHECKING:  # the host has it anyway; a client would wait for its imports
    from environments.embedded.stack import Stack

FILE = "access.json"
AWS_CREDENTIALS_FILE = "aws/credentials"


class Login(BaseModel):
    """A server and its administrator's login."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int
    username: str
    password: SecretStr
    database: str = ""
    authority: Path | None = None

    @field_serializer("password", when_used="json")
    def _plain(self, value: SecretStr) -> str:
        # The file is for its owner only; without the value it would be of no use.
        return value.get_secret_value()

    @classmethod
    def of(cls, login: ServerLogin) -> Self:
        """Copy a login."""
        return cls(
            host=login.host,
            port=login.port,
            username=login.username,
            password=login.password,
            database=login.database,
            authority=login.authority,
        )

    def login(self) -> ServerLogin:
        """Return it as the deployer takes it."""
        return ServerLogin(self.host, self.port, self.username, self.password, self.database, self.authority)


class Access(BaseModel):
    """Addresses and administrators' credentials of one running environment.

    Attributes:
        run_id: The run that it belongs to.
        network: Number of its network.
        kubeconfig: Of a cluster administrator.
        oidc_issuer: Issuer of the cluster's service-account tokens.
        certificate_authority: PEM of the cluster's authority.
        etcd_url: Where the cluster's state is kept.
        etcd_authority: PEM file of etcd's authority.
        etcd_certificate: Client certificate that etcd accepts.
        etcd_key: Its key.
        audit_log: The API server's audit log.
        aws_url: Base URL of every AWS service.
        aws_region: AWS region.
        aws_access_key: The administrator's access key id.
        aws_secret_key: The administrator's secret access key.
        database: PostgreSQL.
        cache: Valkey.
        prometheus: Base URL of Prometheus.
        slack_url: The Slack webhook, a credential by itself.
        pagerduty_url: Base URL of PagerDuty's Events API.
        pagerduty_key: The routing key that it takes.
        tools: Paths of programs by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    network: int
    kubeconfig: Path
    oidc_issuer: str
    certificate_authority: str
    etcd_url: str
    etcd_authority: Path
    etcd_certificate: Path
    etcd_key: Path
    audit_log: Path
    aws_url: str
    aws_region: str
    aws_access_key: str
    aws_secret_key: SecretStr
    database: Login
    cache: Login
    prometheus: str
    slack_url: SecretStr
    pagerduty_url: str
    pagerduty_key: SecretStr
    tools: dict[str, Path]

    @field_serializer("aws_secret_key", "slack_url", "pagerduty_key", when_used="json")
    def _plain(self, value: SecretStr) -> str:
        return value.get_secret_value()

    @classmethod
    def of(cls, run: RunDirectory, stack: Stack, tools: dict[str, Path]) -> Self:
        """Describe a stack that is ready."""
        plane, aws, receivers = stack.plane, stack.aws, stack.monitoring.receivers
        return cls(
            run_id=run.run_id,
            network=run.network.number,
            kubeconfig=plane.admin_kubeconfig,
            oidc_issuer=plane.oidc_issuer,
            certificate_authority=plane.authority.certificate.read_text(),
            etcd_url=plane.etcd.url,
            etcd_authority=plane.etcd.authority,
            etcd_certificate=plane.etcd.client.certificate,
            etcd_key=plane.etcd.client.key,
            audit_log=plane.audit_log,
            aws_url=aws.url,
            aws_region=aws.region,
            aws_access_key=aws.access_key,
            aws_secret_key=aws.secret_key,
            database=Login.of(stack.database),
            cache=Login.of(stack.cache),
            prometheus=stack.monitoring.prometheus,
            slack_url=SecretStr(receivers.slack),
            pagerduty_url=receivers.pagerduty,
            pagerduty_key=receivers.routing_key,
            tools=tools,
        )

    @property
    def aws(self) -> AwsEndpoint:
        """AWS' stand-in, and its administrator."""
        return AwsEndpoint(self.aws_url, self.aws_region, self.aws_access_key, self.aws_secret_key)

    def write(self, run: RunDirectory) -> None:
        """Write it into the run directory, and the AWS credentials in the AWS programs' own form too."""
        run.write(AWS_CREDENTIALS_FILE, self.aws.credentials())
        run.write(FILE, self.model_dump_json())

    @classmethod
    def read(cls, name: str) -> Self:
        """Read what the host of an environment wrote.

        Raises:
            OSError: It is not there (yet, or any more).
            ValueError: It is not what this version writes.
        """
        return cls.model_validate_json((run_root(name) / FILE).read_bytes())
