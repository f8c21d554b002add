"""How a running kind environment is reached: written once it is ready, read by whoever attaches."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from deployer.files import replace_atomically
from environments.embedded.access import Login
from environments.embedded.aws.localstack import REGION, AwsEndpoint
from environments.embedded.locations import state_directory

AWS_CREDENTIALS_FILE = "aws-credentials"
_FILE = "access.json"


def home(instance: str) -> Path:
    """Return the directory of an environment; it need not exist."""
    return state_directory() / f"kind-{instance}"


def remove_home(instance: str) -> None:
    """Remove an environment's directory, if there is one."""
    if home(instance).exists():
        shutil.rmtree(home(instance))


class Access(BaseModel):
    """Addresses and administrators' credentials of one environment.

    Attributes:
        began: When it was ready, in seconds since the epoch.
        node: Address of the control plane's node.
        network: The network of nodes and servers, which is on this machine alone.
        issuer: Issuer of the cluster's service-account tokens.
        certificate_authority: PEM of the cluster's authority.
        aws_url: Base URL of every AWS service.
        aws_access_key: The administrator's access key id.
        aws_secret_key: The administrator's secret access key.
        database: PostgreSQL.
        cache: Redis.
        prometheus: Base URL of Prometheus.
        slack_url: The Slack webhook, a credential by itself.
        pagerduty_url: Base URL of PagerDuty's Events API.
        pagerduty_key: The routing key that it takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    began: float
    node: str
    network: str
    issuer: str
    certificate_authority: str
    aws_url: str
    aws_access_key: str
    aws_secret_key: SecretStr
    database: Login
    cache: Login
    prometheus: str
    slack_url: SecretStr
    pagerduty_url: str
    pagerduty_key: SecretStr

    @field_serializer("aws_secret_key", "slack_url", "pagerduty_key", when_used="json")
    def _plain(self, value: SecretStr) -> str:
        return value.get_secret_value()

    @property
    def aws(self) -> AwsEndpoint:
        """AWS' stand-in, and its administrator."""
        return AwsEndpoint(self.aws_url, REGION, self.aws_access_key, self.aws_secret_key)

    def write(self, instance: str) -> None:
        """Write it, and the AWS credentials in the AWS programs' own form too; for their owner only."""
        replace_atomically(home(instance) / AWS_CREDENTIALS_FILE, self.aws.credentials())
        replace_atomically(home(instance) / _FILE, self.model_dump_json())

    @classmethod
    def read(cls, instance: str) -> Self | None:
        """Read how an environment is reached; None where there is none that became ready.

        Raises:
            ValueError: It is not what this version writes.
        """
        try:
            return cls.model_validate_json((home(instance) / _FILE).read_bytes())
        except FileNotFoundError:
            return None
