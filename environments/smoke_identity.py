"""An environment of this machine as a smoke run meets it: with the identities that are shipped for it."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes.client import ApiClient
from localstack_client.session import Session
from pydantic import SecretStr

from deployer.cluster import Cluster, ClusterError
from deployer.connections import ClusterIdentity, Connections, Endpoints
from deployer.desired import SMOKE_ACCOUNT, SMOKE_ROLE
from deployer.errors import NotReadyError
from deployer.failures import ServiceError, explained
from deployer.progress import Progress, Step
from environments.administrator import cluster_client
from environments.embedded.aws.localstack import ACCOUNT
from environments.embedded.control_plane.configuration import CONTEXT
from environments.guard.aws import RETRIES
from environments.protocol import Capability, Environment

_SECONDS = 3600


class SmokeIdentity:
    """A session of the role `mita-production-smoke`, and a token of the service account `mita-smoke`.

    Args:
        environment: The environment, which runs and is deployed.
    """

    account = ACCOUNT
    approvals = None
    deployers = frozenset({"root"})

    def __init__(self, environment: Environment) -> None:
        self._administrator = environment
        self._ends = contextlib.ExitStack()
        self._credentials: dict[str, str] = {}
        self.session_name = f"smoke-{secrets.token_hex(4)}"
        """What tells this run's calls from all others in the audit trail."""

    @property
    def name(self) -> str:
        """The environment's own name."""
        return self._administrator.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All that the environment can show without being changed."""
        return self._administrator.capabilities - {Capability.CHANGES_ALLOWED}

    def start(self, progress: Progress) -> None:
        """Take on the role and the service account.

        Raises:
            NotReadyError: They are not there: the environment is not deployed.
        """
        try:
            self._credentials = self._take_on_the_role()
            directory = Path(
                self._ends.enter_context(tempfile.TemporaryDirectory(prefix="mita-smoke-identity-"))
            )
            self._kubeconfig = _with_token(
                self._administrator.kubeconfig, self._token().get_secret_value(), directory
            )
        except (ServiceError, ClusterError) as error:
            self.stop()
            raise NotReadyError(
                f"environment {self.name}, its identities for smoke runs",
                expected=f"the role {SMOKE_ROLE} and the service account {SMOKE_ACCOUNT}",
                seen=str(error),
                remedy=f"Deploy first: mita deploy --environment {self.name} --rehearse",
            ) from error
        progress(Step("smoke identity", "done", f"{SMOKE_ROLE}/{self.session_name}"))

    def _take_on_the_role(self) -> dict[str, str]:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{SMOKE_ROLE}"
        with explained(f"role {SMOKE_ROLE}", hide_message=True):
            answer: dict[str, str] = self._administrator.aws("sts").assume_role(
                RoleArn=arn, RoleSessionName=self.session_name, DurationSeconds=_SECONDS
            )["Credentials"]
        return answer

    def _token(self) -> SecretStr:
        namespace, name = SMOKE_ACCOUNT.split("/")
        answer = Cluster(self._administrator.kubernetes()).call(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _SECONDS},
            },
        )
        return SecretStr(answer["status"]["token"])

    def stop(self) -> None:
        """Forget both; the environment runs on."""
        self._ends.close()
        self._credentials = {}

    def collect(self, into: Path) -> None:
        """Copy what the environment knows of itself."""
        self._administrator.collect(into)

    # ---- what it gives

    @property
    def endpoints(self) -> Endpoints:
        """Where the system's parts answer."""
        return self._administrator.endpoints

    @property
    def cluster(self) -> ClusterIdentity:
        """The cluster's identity."""
        return self._administrator.cluster

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with the service account's token."""
        return self._kubeconfig

    @cached_property
    def _session(self) -> Session:
        meta = self._administrator.aws("sts").meta
        return Session(
            aws_access_key_id=self._credentials["AccessKeyId"],
            aws_secret_access_key=self._credentials["SecretAccessKey"],
            region_name=meta.region_name,
            localstack_host=urlsplit(meta.endpoint_url).hostname,
        )

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients are made at run time; they have no common type
        """Make a client of LocalStack in the role's session."""
        return self._session.client(
            service, aws_session_token=self._credentials["SessionToken"], config=RETRIES
        )

    def kubernetes(self) -> ApiClient:
        """Make a client of the cluster as the service account."""
        return cluster_client(self.kubeconfig)

    def connections(self) -> Connections:
        """Everything that the deployer needs, as these identities."""
        return replace(
            self._administrator.connections(),
            aws=self.aws,
            kubernetes=self.kubernetes(),
            kubeconfig=self.kubeconfig,
        )

    def exports(self) -> Mapping[str, str]:
        """Variables for kubectl, helm, aws and curl of the user's own, which are the administrator's."""
        return self._administrator.exports()


def _with_token(administrators: Path, token: str, directory: Path) -> Path:
    """Write a kubeconfig of the same cluster and context with another user in it."""
    config = yaml.safe_load(administrators.read_text(encoding="utf-8"))
    (context,) = (each for each in config["contexts"] if each["name"] == CONTEXT)
    context["context"]["user"] = "mita-smoke"
    config |= {
        "contexts": [context],
        "current-context": CONTEXT,
        "users": [{"name": "mita-smoke", "user": {"token": token}}],
    }
    path = directory / "kubeconfig"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(config, file)
    return path
