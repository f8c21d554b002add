"""EKS' answers about the environment's cluster; LocalStack has no EKS."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .calls import Call
from .refusals import refusal
from .settings import Cluster

OPERATIONS = {"DescribeCluster", "ListClusters"}


def answer(call: Call, cluster: Cluster | None) -> Mapping[str, Any]:
    """Answer a call to EKS.

    Raises:
        CommonServiceException: There is no cluster of that name.
    """
    if call.operation == "ListClusters":
        return {"clusters": [cluster.name] if cluster else []}
    name = str(call.parameters.get("name", ""))
    if cluster is None or name != cluster.name:
        raise refusal("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
    authority = base64.b64encode(cluster.certificate_authority.encode()).decode()
    return {
        "cluster": {
            "name": name,
            "arn": call.arn(f"cluster/{name}"),
            "version": cluster.version,
            "endpoint": cluster.endpoint,
            "status": "ACTIVE",
            "certificateAuthority": {"data": authority},
            "identity": {"oidc": {"issuer": cluster.oidc_issuer}},
            "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": cluster.encryption_key}}],
        }
    }
