"""Clients of an environment's own administrator, for AWS' stand-in and for the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient
from localstack_client.session import Session

from environments.embedded.aws.localstack import AwsEndpoint
from environments.embedded.control_plane.configuration import CONTEXT


def aws_client(aws: AwsEndpoint, service: str) -> Any:  # noqa: ANN401  boto3 clients are made at run time; they have no common type
    """Make a client of LocalStack."""
    session = Session(
        aws_access_key_id=aws.access_key,
        aws_secret_access_key=aws.secret_key.get_secret_value(),
        region_name=aws.region,
        localstack_host=aws.url.removeprefix("http://").rpartition(":")[0],
    )
    return session.client(service)


def cluster_client(kubeconfig: Path) -> ApiClient:
    """Make a client of a cluster's API, by the context with the guide's name."""
    made: ApiClient = config.new_client_from_config(  # type: ignore[no-untyped-call]  # it has no types
        config_file=str(kubeconfig), context=CONTEXT
    )
    return made
