"""What the deployer is handed for the embedded environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes.client import ApiClient

from deployer.compliance.insight import Insight
from deployer.connections import ClusterIdentity, Connections, Endpoints, HelmChart
from environments.collection import end_of
from environments.embedded.access import Access
from environments.embedded.aws.localstack import ACCOUNT, operator_variables
from environments.embedded.locations import cache_directory
from environments.embedded.network import Network
from environments.exemptions import local_exemptions
from environments.monitoring.configuration import HASTE

_OWNER = "maintainers of the embedded environment"
_WITHOUT_TLS = {
    "tls-aws": "LocalStack",
    "tls-database": "PostgreSQL from PyPI, which is built without TLS,",
    "tls-cache": "Valkey from PyPI, which is built without TLS,",
    "tls-application": "the application's own server, with no load balancer before it,",
}


def handed_over(
    access: Access,
    *,
    aws: Callable[[str], Any],
    kubernetes: ApiClient,
    cluster: ClusterIdentity,
    endpoints: Endpoints,
    stored_state: Callable[[], bytes],
) -> Connections:
    """Return everything that the deployer needs.

    Args:
        access: How the environment's servers are reached.
        aws: Makes clients as the administrator.
        kubernetes: The cluster's client, as an administrator.
        cluster: The cluster's identity.
        endpoints: Where the running parts answer.
        stored_state: Reads what etcd holds.
    """
    return Connections(
        account=ACCOUNT,
        region=access.aws_region,
        aws=aws,
        kubernetes=kubernetes,
        kubeconfig=access.kubeconfig,
        cluster=cluster,
        helm=access.tools["helm"],
        operator_chart=HelmChart(str(access.tools["operator_chart"])),
        operator_values={
            "extraEnv": operator_variables(access.aws_url),
            # Named, although it is the default, so that the node puts the pod's own address before it.
            "extraArgs": {"metrics-addr": ":8080"},
        },
        manifest_values={
            "AWS_ENDPOINT": access.aws_url,
            "RUNBOOK": "docs/runbooks/alerts.md",
            "OTHER_READERS": f"arn:aws:iam::{ACCOUNT}:root",  # this administrator
            **HASTE,
        },
        database=access.database.login(),
        cache=access.cache.login(),
        endpoints=endpoints,
        pagerduty_key=access.pagerduty_key,
        promtool=access.tools["promtool"],
        function_environment={"SERVER_TLS": "off"},  # neither of the servers is built with it
        insight=Insight(
            stored_state=stored_state,
            audit_log=lambda: end_of(access.audit_log),
            reachable=Network(access.network).bound,
            exemptions=local_exemptions(_OWNER, _WITHOUT_TLS, access.certificate_authority),
        ),
        build_cache=cache_directory(),
    )
