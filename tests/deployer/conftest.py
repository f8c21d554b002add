"""Connections to real servers: AWS' stand-in, PostgreSQL, Valkey, a control plane without nodes."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config
from pydantic import SecretStr

from deployer.connections import ClusterIdentity, Connections, HelmChart, ServerLogin


@dataclass(frozen=True)
class Place:
    """Connections to the servers, and a list of all calls to AWS that went through them."""

    connections: Connections
    calls: list[str]

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
        """Make a client of an AWS service."""
        return self.connections.aws(service)


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="mita-deployer-") as state:
        Path(state).chmod(0o711)  # PostgreSQL's account has to pass through
        process = subprocess.Popen(
            (sys.executable, "-m", "tests.deployer.servers"),
            env=os.environ | {"MITA_STATE": state},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            where = process.stdout.readline()
            assert where, "the servers did not start; see their error above"
            yield json.loads(where)
        finally:
            process.stdin.close()
            assert process.wait(60) == 0
            process.stdout.close()


@pytest.fixture
def place(servers: dict[str, Any]) -> Place:
    """The servers, as an AWS account of the test's own, in which there is nothing."""
    calls: list[str] = []
    account = (
        f"{secrets.randbelow(10**12):012}"  # LocalStack takes twelve digits of an access key for an account
    )

    def client(service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
        made = boto3.client(
            service,  # type: ignore[call-overload]  # any of the services
            region_name=servers["aws"]["region"],
            endpoint_url=servers["aws"]["url"],
            aws_access_key_id=account,
            aws_secret_access_key=servers["aws"]["secret_key"],
            config=Config(retries={"max_attempts": 1}),
        )
        made.meta.events.register("before-call", lambda model, **_: calls.append(f"{service}:{model.name}"))
        return made

    configuration = Configuration()
    load_kube_config(servers["kubeconfig"], client_configuration=configuration)  # type: ignore[no-untyped-call]  # no types
    connections = Connections(
        account=account,
        region="us-east-1",
        aws=client,
        kubernetes=ApiClient(configuration),
        kubeconfig=Path(servers["kubeconfig"]),
        cluster=ClusterIdentity(
            "mita-production", "mita-production", servers["issuer"], servers["authority"]
        ),
        helm=Path(servers["helm"]),
        operator_chart=HelmChart(servers["operator_chart"]),
        database=_login(servers["database"]),
        cache=_login(servers["cache"]),
    )
    return Place(connections, calls)


def _login(data: dict[str, Any]) -> ServerLogin:
    return ServerLogin(**data | {"password": SecretStr(data["password"])})
