"""Whether credentials, context and cluster are the configured ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient

from deployer.cluster import Cluster
from deployer.connections import ClusterIdentity
from deployer.errors import RefusedError
from deployer.failures import explained
from deployer.preflight import require_account, require_context

_DISCOVERY = "/.well-known/openid-configuration"


def require_credentials(sts: Any, account: str, kubeconfig: Path, cluster: ClusterIdentity) -> None:  # noqa: ANN401  boto3 client
    """Refuse credentials or a context that lead elsewhere; nobody else has been asked before.

    Raises:
        RefusedError: They do.
        MitaError: They cannot be used.
    """
    require_account(sts, account)
    require_context(kubeconfig, cluster)


def require_cluster(client: ApiClient, cluster: ClusterIdentity, kubeconfig: Path) -> None:
    """Refuse a cluster whose tokens are of another issuer: names are chosen, an issuer is not.

    Raises:
        RefusedError: It is another cluster.
        ServiceError: It does not say.
    """
    with explained(f"cluster {cluster.name}, its Kubernetes API"):
        issuer = Cluster(client).call("GET", _DISCOVERY)["issuer"]
    if issuer != cluster.oidc_issuer:
        raise RefusedError(
            "Kubernetes cluster, by the issuer of its tokens",
            expected=cluster.oidc_issuer,
            seen=str(issuer),
            remedy=f"Check the server of context {cluster.context} in {kubeconfig}.",
        )
