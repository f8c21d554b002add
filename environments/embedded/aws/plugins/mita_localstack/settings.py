"""What the environment tells the plug-ins, by a file that only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

VARIABLE = "MITA_AWS_SETTINGS"
"""Environment variable with the path of the settings; without it LocalStack serves anybody."""


class Settings(BaseModel):
    """Settings of one run.

    Attributes:
        account: The environment's AWS account.
        region: Its region.
        access_key: The administrator's access key id.
        secret_key: The administrator's secret access key.
        cluster: File with a `Cluster`; may come later, and be replaced.
        trail: File that audit records are appended to.
        faults: Unix socket where faults are set and cleared.
        function_python: Python that runs Lambda functions; without it they are refused.
    """

    # An error would show the secret in LocalStack's log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: str
    region: str
    access_key: str
    secret_key: SecretStr
    cluster: Path
    trail: Path
    faults: Path
    function_python: Path | None = None

    @field_serializer("secret_key", when_used="json")
    def _plain(self, value: SecretStr) -> str:
        # The file is for its owner only; without the value it would be of no use.
        return value.get_secret_value()

    @classmethod
    def given(cls) -> Self | None:
        """Read the settings that the process was started with; None when there are none.

        Raises:
            OSError: The file that is named cannot be read.
            ValueError: It does not hold settings.
        """
        path = os.environ.get(VARIABLE)
        return cls.model_validate_json(Path(path).read_bytes()) if path else None


class Cluster(BaseModel):
    """The environment's Kubernetes cluster, as EKS would describe it.

    Attributes:
        name: Its name.
        endpoint: URL of its API server.
        certificate_authority: PEM of the authority behind its API server and its issuer.
        oidc_issuer: URL of the issuer of its service-account tokens.
        version: Kubernetes version, such as ``1.36``.
        encryption_key: ARN by which the key that encrypts its secrets at rest is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    endpoint: str
    certificate_authority: str
    oidc_issuer: str
    version: str
    encryption_key: str

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the cluster as it is now; None before there is one.

        Raises:
            ValueError: The file does not describe a cluster.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
