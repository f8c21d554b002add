"""The operator's webhook, as the API server reaches it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography import x509

from deployer.cluster import Cluster
from deployer.compliance.facts import Hop
from deployer.compliance.sources.hops import described, try_server
from deployer.errors import NotReadyError

_API = "admissionregistration.k8s.io/v1"
_BY_CONTRACT = "TLS"  # the API server speaks nothing else to a webhook, and trusts the bundle alone


def try_webhook(cluster: Cluster, namespace: str, reachable: Callable[[str], str] | None) -> Hop:
    """Try the webhook; where pods cannot be reached from here, judge by what the API server trusts.

    Raises:
        NotReadyError: There is no webhook, or none that answers.
    """
    client = _client(cluster, namespace)
    service = client["service"]
    name = f"{service['name']}.{namespace}.svc"
    bundle = base64.b64decode(client.get("caBundle", "")).decode()
    if not bundle:
        return Hop(name, local=False, protocol=_BY_CONTRACT, untrusted="no authority is declared for it")
    if reachable is None:
        authority = x509.load_pem_x509_certificate(bundle.encode())
        return Hop(name, local=False, protocol=_BY_CONTRACT, certificate=described(authority))
    address, port = _endpoint(cluster, namespace, service["name"])
    return try_server(reachable(address), port, authority=bundle, name=name)


def _client(cluster: Cluster, namespace: str) -> Mapping[str, Any]:
    for configuration in cluster.list(_API, "ValidatingWebhookConfiguration"):
        for webhook in configuration.get("webhooks", ()):
            client: Mapping[str, Any] = webhook["clientConfig"]
            if client.get("service", {}).get("namespace") == namespace:
                return client
    raise _missing(f"webhook of {namespace}", "a ValidatingWebhookConfiguration that leads there", "none")


def _endpoint(cluster: Cluster, namespace: str, service: str) -> tuple[str, int]:
    slices = cluster.list(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        namespace,
        labelSelector=f"kubernetes.io/service-name={service}",
    )
    for found in _ready(slices):
        return found
    raise _missing(f"service {namespace}/{service}", "an endpoint that is ready", "none")


def _ready(slices: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    for each in slices:
        for endpoint in each.get("endpoints") or ():
            if endpoint.get("conditions", {}).get("ready") and each.get("ports"):
                yield endpoint["addresses"][0], each["ports"][0]["port"]


def _missing(subject: str, expected: str, seen: str) -> NotReadyError:
    return NotReadyError(
        subject, expected=expected, seen=seen, remedy="Deploy phase 2: mita deploy --through 2."
    )
