"""What the deployer is handed for a kind environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient

from deployer.compliance.insight import Insight
from deployer.connections import ClusterIdentity, Connections, Endpoints, HelmChart
from deployer.progress import silent
from environments.embedded.aws.localstack import ACCOUNT, REGION, operator_variables
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import Toolchain
from environments.exemptions import local_exemptions
from environments.kind.access import Access
from environments.monitoring.configuration import HASTE

NODE_PORT = 30800
"""Where each node answers for the application."""

_OWNER = "maintainers of the kind environment"
_WITHOUT_TLS = {
    "tls-aws": "LocalStack",
    "tls-application": "the application's own server, with no load balancer before it,",
}
# kubeadm's own, beside which `system:masters` is for emergencies.
_ADMINISTRATORS = frozenset({"Group kubeadm:cluster-admins"})
# Kubernetes puts its authority into every namespace; the servers' certificates are of it too.
_AUTHORITY = "kube-root-ca.crt"


def handed_over(
    access: Access,
    *,
    aws: Callable[[str], Any],
    kubernetes: ApiClient,
    kubeconfig: Path,
    cluster: ClusterIdentity,
    endpoints: Endpoints,
    insight: Insight,
) -> Connections:
    """Return everything that the deployer needs.

    Args:
        access: How the environment's servers are reached.
        aws: Makes a client of a service.
        kubernetes: Client of the cluster's API.
        kubeconfig: Of a cluster administrator.
        cluster: The cluster's identity.
        endpoints: Where the system's parts answer.
        insight: What the environment lets the validator see; its excuses are added.
    """
    tools = Toolchain(cache_directory()).ensure(silent, ["helm", "operator_chart", "promtool"])
    return Connections(
        account=ACCOUNT,
        region=REGION,
        aws=aws,
        kubernetes=kubernetes,
        kubeconfig=kubeconfig,
        cluster=cluster,
        helm=tools["helm"],
        operator_chart=HelmChart(str(tools.operator_chart)),
        operator_values={"extraEnv": operator_variables(access.aws_url)},
        application_values={
            # The nodes have the image already, and there is no registry to ask.
            "image": {"pullPolicy": "IfNotPresent"},
            "service": {"type": "NodePort", "nodePort": NODE_PORT},
            "trust": {"configMap": _AUTHORITY},
        },
        manifest_values={
            "AWS_ENDPOINT": access.aws_url,
            "PULL_POLICY": "IfNotPresent",
            "RUNBOOK": "docs/runbooks/alerts.md",
            "OTHER_READERS": f"arn:aws:iam::{ACCOUNT}:root",  # this administrator
            **HASTE,
        },
        database=access.database.login(),
        cache=access.cache.login(),
        endpoints=endpoints,
        pagerduty_key=access.pagerduty_key,
        promtool=tools["promtool"],
        function_environment={"TLS_CA_FILE": str(access.database.authority)},
        insight=replace(
            insight,
            exemptions=local_exemptions(_OWNER, _WITHOUT_TLS, access.certificate_authority),
            administrators=_ADMINISTRATORS,
            networks=(IPv4Network(access.network),),
        ),
        build_cache=cache_directory(),
    )
