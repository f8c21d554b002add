"""The ConfigMaps and Secrets that a pod refers to, and what their keys hold."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from environments.embedded.node.api import Object

type Kind = Literal["ConfigMap", "Secret"]


class Referent(NamedTuple):
    """A ConfigMap or Secret, by kind and name; its namespace is the pod's."""

    kind: Kind
    name: str


# Returns the object as it is now, or None when there is none.
type Lookup = Callable[[Referent], Object | None]


class MissingReferentError(LookupError):
    """A ConfigMap, Secret or key is not there (yet) and not optional; the text is the kubelet's."""


def referents(spec: Object) -> frozenset[Referent]:
    """Name every ConfigMap and Secret that a pod's volumes and variables refer to."""
    return frozenset([*_of_volumes(spec), *_of_variables(spec)])


def contents(referent: Referent, item: Object) -> dict[str, bytes]:
    """Return what each key of a ConfigMap or Secret holds."""
    encoded = item.get("data" if referent.kind == "Secret" else "binaryData") or {}
    plain = {} if referent.kind == "Secret" else item.get("data") or {}
    return {
        **{key: value.encode() for key, value in plain.items()},
        **{key: base64.b64decode(value) for key, value in encoded.items()},
    }


def find(referent: Referent, lookup: Lookup, *, optional: bool) -> dict[str, bytes] | None:
    """Return what each key holds, or None where an optional object is not there.

    Raises:
        MissingReferentError: It is not there and not optional.
    """
    item = lookup(referent)
    if item is not None:
        return contents(referent, item)
    if optional:
        return None
    raise MissingReferentError(f'{referent.kind.lower()} "{referent.name}" not found')


def _of_volumes(spec: Object) -> Iterator[Referent]:
    for volume in spec.get("volumes", []):
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "configMap" in source:
                yield Referent("ConfigMap", source["configMap"]["name"])
            if "secret" in source:
                secret = source["secret"]
                yield Referent("Secret", secret.get("secretName") or secret["name"])


def _of_variables(spec: Object) -> Iterator[Referent]:
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        sources: list[dict[str, Any]] = [*container.get("envFrom", [])]
        sources += [variable.get("valueFrom") or {} for variable in container.get("env", [])]
        for source in sources:
            for field in ("configMapRef", "configMapKeyRef"):
                if field in source:
                    yield Referent("ConfigMap", source[field]["name"])
            for field in ("secretRef", "secretKeyRef"):
                if field in source:
                    yield Referent("Secret", source[field]["name"])
