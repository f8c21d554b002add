"""What a pod may be told about itself: its fields and its containers' resources."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from environments.embedded.node.api import Object

_KEYED = re.compile(r"metadata\.(labels|annotations)(?:\['(?P<key>[^']*)'\])?")
_QUANTITY = re.compile(r"(?P<number>[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(?P<suffix>[numkMGTPE]?|[KMGTPE]i)")
_SUFFIXES = {
    **{suffix: Decimal(1000) ** power for suffix, power in zip("num", (-3, -2, -1), strict=True)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(["", "k", "M", "G", "T", "P", "E"])},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pod's fields say that is not in the object.

    Attributes:
        pod_address: The address that the pod's processes bind.
        host_address: The address that the node's servers bind.
        allocatable: Resources of the node, the limits of containers without limits.
    """

    pod_address: str
    host_address: str
    allocatable: Mapping[str, str]


def field_value(pod: Object, path: str, surroundings: Surroundings) -> str:
    """Return what a `fieldRef` yields.

    Addresses are the bound ones: those that the pod's own processes can use.

    Raises:
        LookupError: The node knows no such field.
    """
    keyed = _KEYED.fullmatch(path)
    if keyed:
        values: dict[str, str] = pod["metadata"].get(keyed[1]) or {}
        return _lines(values) if keyed["key"] is None else values.get(keyed["key"], "")
    plain = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": surroundings.pod_address,
        "status.podIPs": surroundings.pod_address,
        "status.hostIP": surroundings.host_address,
        "status.hostIPs": surroundings.host_address,
    }
    if path not in plain:
        raise LookupError(f"field {path} is not supported by this node")
    return str(plain[path])


def resource_value(pod: Object, reference: Mapping[str, Any], own: str, surroundings: Surroundings) -> str:
    """Return what a `resourceFieldRef` yields: a whole number of its divisor, rounded up.

    Args:
        pod: The pod.
        reference: The resourceFieldRef.
        own: Name of the container that asks; another may be named by the reference.
        surroundings: For the node's resources.

    Raises:
        LookupError: There is no such container or resource.
    """
    name = reference.get("containerName") or own
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    container = next((each for each in containers if each["name"] == name), None)
    kind, _, resource = reference["resource"].partition(".")
    if container is None or kind not in ("limits", "requests"):
        raise LookupError(f"resource {reference['resource']} of container {name} is not known")
    resources = container.get("resources", {})
    default = surroundings.allocatable.get(resource, "0") if kind == "limits" else "0"
    amount = quantity(str(resources.get(kind, {}).get(resource, default)))
    divisor = quantity(str(reference.get("divisor") or "0")) or Decimal(1)
    return str(math.ceil(amount / divisor))


def quantity(text: str) -> Decimal:
    """Return the number that a Kubernetes quantity such as ``500m`` or ``1Gi`` stands for.

    Raises:
        LookupError: It is not a quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise LookupError(f"{text!r} is not a quantity")
    return Decimal(match["number"]) * _SUFFIXES[match["suffix"]]


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(values.items())
    )
