"""The API server's configuration files, as the text that goes into them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from environments.embedded.control_plane.authority import KeyPair

CONTEXT = "mita-production"
DISCOVERY_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"

_SECRETBOX_KEY_BYTES = 32


def kubeconfig(server: str, authority: Path, user: str, pair: KeyPair) -> str:
    """Return a kubeconfig that names its certificate and key by path."""
    return _yaml(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [
                {
                    "name": CONTEXT,
                    "cluster": {"server": server, "certificate-authority": str(authority)},
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
                }
            ],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        }
    )


def encryption() -> str:
    """Return an EncryptionConfiguration that encrypts Secrets with a new random key."""
    key = base64.b64encode(secrets.token_bytes(_SECRETBOX_KEY_BYTES)).decode()
    return _yaml(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [
                {
                    "resources": ["secrets"],
                    "providers": [{"secretbox": {"keys": [{"name": "run", "secret": key}]}}],
                }
            ],
        }
    )


def authentication() -> str:
    """Return an AuthenticationConfiguration that lets strangers read the issuer's keys and nothing else.

    AWS verifies service-account tokens by the issuer's keys, which it fetches without credentials.
    """
    return _yaml(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "anonymous": {
                "enabled": True,
                "conditions": [{"path": DISCOVERY_PATH}, {"path": JWKS_PATH}],
            },
        }
    )


def issuer_discovery_binding() -> dict[str, Any]:
    """Return the ClusterRoleBinding that opens the issuer's discovery to strangers."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "mita:service-account-issuer-discovery"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:service-account-issuer-discovery",
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}
        ],
    }


def egress(socket: Path) -> str:
    """Return an EgressSelectorConfiguration that sends calls to nodes and webhooks to a proxy."""
    return _yaml(
        {
            "apiVersion": "apiserver.k8s.io/v1beta1",
            "kind": "EgressSelectorConfiguration",
            "egressSelections": [
                {
                    "name": "cluster",
                    "connection": {
                        "proxyProtocol": "HTTPConnect",
                        "transport": {"uds": {"udsName": str(socket)}},
                    },
                }
            ],
        }
    )


def audit_policy() -> str:
    """Return an audit Policy: who touched what, and the content of changes that cannot hold secrets.

    Bodies of Secrets, of anything that may carry values or tokens, and of every read stay out.
    """
    return _yaml(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "omitManagedFields": True,
            "rules": [
                # The control plane's own heartbeat would drown everything else.
                {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*", "/openapi/*"]},
                _rule("None", "coordination.k8s.io", ["leases"], verbs=["get", "update", "patch"]),
                _rule("None", "", ["events"]),
                _rule("None", "", ["nodes/status"], verbs=["update", "patch"]),
                _rule("Metadata", "", ["secrets", "configmaps", "serviceaccounts/token"]),
                _rule("Metadata", "authentication.k8s.io", ["tokenreviews"]),
                *(
                    _rule("Request", group, verbs=["create", "update", "patch", "delete"])
                    for group in ("apps", "rbac.authorization.k8s.io", "admissionregistration.k8s.io")
                ),
                _rule(
                    "Request",
                    "",
                    ["namespaces", "serviceaccounts", "services"],
                    verbs=["create", "update", "patch", "delete"],
                ),
                {"level": "Metadata"},
            ],
        }
    )


def _rule(
    level: str, group: str, resources: Sequence[str] = (), verbs: Sequence[str] = ()
) -> dict[str, object]:
    where: dict[str, object] = {"group": group}
    if resources:
        where["resources"] = list(resources)
    rule: dict[str, object] = {"level": level, "resources": [where]}
    if verbs:
        rule["verbs"] = list(verbs)
    return rule


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)
