"""A container's environment: composed, expanded, and rewritten for the host.

Literal values, ConfigMaps' values and the image's are rewritten.  Values of Secrets, fields of
the pod and what the node itself provides are not: a credential reaches the program
unchanged.  To keep them so while they are expanded into other values, they stand as
marks (an index between two NUL, which no variable can hold) until everything else is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from environments.embedded.node.api import Object
from environments.embedded.node.downward import Surroundings, field_value, resource_value
from environments.embedded.node.referents import Lookup, MissingReferentError, Referent, find

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^()]*)\))")
_MARK = re.compile("\0(\\d+)\0")


@dataclass(slots=True)
class Variables:
    """Variables of one container, before rewriting.

    Attributes:
        own: Those of the container, the services and the node, values with marks.
        image: Those of the image; the others override them, and nothing expands to them.
    """

    own: dict[str, str] = field(default_factory=dict)
    image: dict[str, str] = field(default_factory=dict)
    _opaque: list[str] = field(default_factory=list, repr=False)

    def add_opaque(self, name: str, value: str) -> None:
        """Add a variable whose value is never rewritten."""
        self.own[name] = self.mark(value)

    def environment(self, rewrite: Callable[[str], str]) -> dict[str, str]:
        """Return the variables as the process gets them."""
        merged = {**self.image, **self.own}
        return {name: self._unmarked(rewrite(value)) for name, value in merged.items()}

    def expanded(self, texts: Iterable[str], rewrite: Callable[[str], str]) -> list[str]:
        """Return command or arguments as the process gets them."""
        return [self._unmarked(rewrite(expand(text, self.own))) for text in texts]

    def mark(self, value: str) -> str:
        """Return the mark that stands for an opaque value."""
        self._opaque.append(value)
        return f"\0{len(self._opaque) - 1}\0"

    def _unmarked(self, text: str) -> str:
        return _MARK.sub(lambda mark: self._opaque[int(mark[1])], text)


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; unknown names stay as they are, and ``$$`` is a dollar."""

    def replacement(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        return values.get(match["name"], match[0])

    return _REFERENCE.sub(replacement, text)


def compose(
    container: Object,
    pod: Object,
    *,
    image: Mapping[str, str],
    services: Mapping[str, str],
    lookup: Lookup,
    surroundings: Surroundings,
) -> Variables:
    """Compose a container's variables as the kubelet does.

    Later ones override earlier ones: image, services, `envFrom`, `env`.

    Args:
        container: The container's spec.
        pod: Its pod.
        image: Variables that the image sets.
        services: Variables that tell of Services.
        lookup: Finds the ConfigMaps and Secrets of the pod's namespace.
        surroundings: For `fieldRef` and `resourceFieldRef`.

    Raises:
        MissingReferentError: A ConfigMap, Secret or key is not there and not optional.
        LookupError: A field or resource is not known.
    """
    variables = Variables(image=dict(image))
    for name, value in services.items():
        variables.add_opaque(name, value)
    for source in container.get("envFrom", []):
        _add_all(variables, source, lookup)
    # As in the kubelet, what `envFrom` brings is not expanded within `env`.
    expandable = {name: variables.own[name] for name in services}
    for entry in container.get("env", []):
        name = entry["name"]
        if "valueFrom" in entry:
            found = _value_from(entry["valueFrom"], container["name"], pod, lookup, surroundings)
            if found is None:
                continue
            value, opaque = found
            variables.own[name] = variables.mark(value) if opaque else value
        else:
            variables.own[name] = expand(entry.get("value", ""), expandable)
        expandable[name] = variables.own[name]
    return variables


def service_variables(services: Iterable[Object], address: Callable[[str], str]) -> dict[str, str]:
    """Tell of Services as Docker's links did: ``NAME_SERVICE_HOST``, ``NAME_PORT_...`` and so on.

    Args:
        services: The Services of the pod's namespace.
        address: Turns a cluster address into the one that is really bound.
    """
    variables: dict[str, str] = {}
    for service in services:
        cluster_address = service["spec"].get("clusterIP")
        ports = service["spec"].get("ports") or []
        if not ports or cluster_address in (None, "", "None"):
            continue
        prefix, host = _variable(service["metadata"]["name"]), address(cluster_address)
        variables[f"{prefix}_SERVICE_HOST"] = host
        variables[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                variables[f"{prefix}_SERVICE_PORT_{_variable(port['name'])}"] = str(port["port"])
        variables |= _links(prefix, host, ports)
    return variables


def _links(prefix: str, host: str, ports: list[Object]) -> dict[str, str]:
    links: dict[str, str] = {}
    for index, port in enumerate(ports):
        protocol, number = port.get("protocol", "TCP"), port["port"]
        url = f"{protocol.lower()}://{host}:{number}"
        link = f"{prefix}_PORT_{number}_{protocol}"
        if index == 0:
            links[f"{prefix}_PORT"] = url
        links |= {link: url, f"{link}_PROTO": protocol.lower()}
        links |= {f"{link}_PORT": str(number), f"{link}_ADDR": host}
    return links


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _add_all(variables: Variables, source: Object, lookup: Lookup) -> None:
    secret = "secretRef" in source
    reference = source["secretRef" if secret else "configMapRef"]
    referent = Referent("Secret" if secret else "ConfigMap", reference["name"])
    found = find(referent, lookup, optional=reference.get("optional", False))
    for key, content in (found or {}).items():
        name, value = source.get("prefix", "") + key, content.decode(errors="replace")
        variables.own[name] = variables.mark(value) if secret else value


def _value_from(
    source: Object, container: str, pod: Object, lookup: Lookup, surroundings: Surroundings
) -> tuple[str, bool] | None:
    """Return a value and whether it is opaque; None when an optional one is not there."""
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"], surroundings), True
    if "resourceFieldRef" in source:
        return resource_value(pod, source["resourceFieldRef"], container, surroundings), True
    secret = "secretKeyRef" in source
    reference = source["secretKeyRef" if secret else "configMapKeyRef"]
    referent = Referent("Secret" if secret else "ConfigMap", reference["name"])
    optional = reference.get("optional", False)
    found = find(referent, lookup, optional=optional)
    if found is not None and reference["key"] in found:
        return found[reference["key"]].decode(errors="replace"), secret
    if optional:
        return None
    where = f"{referent.kind} {pod['metadata']['namespace']}/{referent.name}"
    raise MissingReferentError(f"couldn't find key {reference['key']} in {where}")
