"""What Services and EndpointSlices ask of the service proxy, read from the API's objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from environments.embedded.network import Network
from environments.embedded.node.api import Object

SERVICE_LABEL = "kubernetes.io/service-name"

type Address = tuple[str, int]
"""An address and a port, as they are really bound."""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service that the proxy serves.

    Attributes:
        name: Its name in the service and in the service's EndpointSlices; may be empty.
        address: Where clients connect to.
    """

    name: str
    address: Address


def served_ports(service: Object, network: Network) -> list[ServicePort]:
    """Return the TCP ports of a service's cluster IP; a service without one has none."""
    spec = service["spec"]
    address = spec.get("clusterIP") or "None"
    if spec.get("type") == "ExternalName" or address == "None":
        return []
    return [
        ServicePort(port.get("name", ""), (network.bound(address), port["port"]))
        for port in spec.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    ]


def unsupported(service: Object) -> list[str]:
    """Say, a sentence each, what a service asks for and does not get from this proxy."""
    spec = service["spec"]
    name = service["metadata"]["name"]
    remarks = []
    if (kind := spec.get("type", "ClusterIP")) in {"NodePort", "LoadBalancer"}:
        remarks.append(f"type {kind}: only the cluster IP of service {name} is served; use that")
    if spec.get("externalIPs"):
        remarks.append(f"externalIPs: only the cluster IP of service {name} is served; use that")
    if spec.get("sessionAffinity") == "ClientIP":
        remarks.append("sessionAffinity ClientIP: connections are spread over all ready endpoints")
    remarks.extend(
        f"protocol {port['protocol']}: port {port['port']} of service {name} is not served; only TCP is"
        for port in spec.get("ports") or []
        if port.get("protocol", "TCP") != "TCP"
    )
    return remarks


def chosen_endpoints(name: str, slices: Iterable[Object], network: Network) -> list[Address]:
    """Return where connections to the port of a name may go, by kube-proxy's rules.

    These are the ready endpoints.  When none is ready, those that terminate but still
    serve take over, so that the last pods of a rollout can finish their work.  An unknown
    condition counts as the API defines it: ready, serving, not terminating.

    Endpoints outside the environment's network are left out; `outside` tells them.
    """
    ready: dict[Address, None] = {}
    leaving: dict[Address, None] = {}
    for port, address, conditions in _endpoints(name, slices):
        try:
            where = (network.bound(address), port)
        except ValueError:
            continue
        is_ready = conditions.get("ready") is not False
        if is_ready:
            ready[where] = None
        elif conditions.get("terminating") and conditions.get("serving") is not False:
            leaving[where] = None
    return list(ready or leaving)


def outside(ports: Iterable[ServicePort], slices: list[Object], network: Network) -> list[str]:
    """Say, a sentence each, which endpoints cannot be forwarded to."""
    remarks: dict[str, None] = {}
    for served in ports:
        for port, address, _ in _endpoints(served.name, slices):
            try:
                network.bound(address)
            except ValueError as error:
                remarks[f"endpoint {address}:{port}: {error}; it gets no connections"] = None
    return list(remarks)


def _endpoints(name: str, slices: Iterable[Object]) -> Iterable[tuple[int, str, Object]]:
    """Yield port, address and conditions of every endpoint that a port of a name has."""
    for each in slices:
        if each.get("addressType") != "IPv4":
            continue
        for port in each.get("ports") or []:
            if (
                (port.get("name") or "") != name
                or port.get("protocol", "TCP") != "TCP"
                or not port.get("port")
            ):
                continue
            for endpoint in each.get("endpoints") or []:
                for address in endpoint["addresses"][:1]:
                    yield port["port"], address, endpoint.get("conditions") or {}
