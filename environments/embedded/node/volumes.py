"""What a pod's volumes hold, computed from what they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.embedded.node.api import Object
from environments.embedded.node.atomic_directory import File, Payload
from environments.embedded.node.downward import Surroundings, field_value, resource_value
from environments.embedded.node.referents import Lookup, MissingReferentError, Referent, find

DEFAULT_MODE = 0o644
_CHANGING = ("secret", "configMap", "downwardAPI", "projected")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A service-account token that a projected volume asks for.

    Attributes:
        audience: Whom it is for; empty for the API server.
        seconds: How long it is to be valid.
    """

    audience: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a pod's volumes take their content from.

    Attributes:
        lookup: Finds the ConfigMaps and Secrets of the pod's namespace.
        token: Returns the token that was issued for a request.
        surroundings: For fields and resources.
    """

    lookup: Lookup
    token: Callable[[TokenRequest], str]
    surroundings: Surroundings


def changing_volumes(spec: Object) -> list[Object]:
    """Return the volumes whose content is ours to write, as opposed to the pod's own (`emptyDir`)."""
    return [volume for volume in spec.get("volumes", []) if any(kind in volume for kind in _CHANGING)]


def token_requests(spec: Object) -> frozenset[TokenRequest]:
    """Name every token that a pod's volumes ask for."""
    return frozenset(
        _token_request(source["serviceAccountToken"])
        for volume in spec.get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    )


def payload(volume: Object, pod: Object, sources: Sources) -> Payload:
    """Return what a volume is to hold now.

    Raises:
        MissingReferentError: A ConfigMap, Secret or key is not there and not optional.
        LookupError: A field or resource is not known.
    """
    if "projected" in volume:
        projected = volume["projected"]
        default = projected.get("defaultMode", DEFAULT_MODE)
        files: dict[str, File] = {}
        for source in projected.get("sources", []):
            files |= _files(source, pod, sources, default)
        return files
    kind = next(kind for kind in _CHANGING if kind in volume)
    return _files(volume, pod, sources, volume[kind].get("defaultMode", DEFAULT_MODE))


def mount_paths(container: Object, volumes: Path) -> dict[str, str]:
    """Map a container's mount paths to where they lie.

    Args:
        container: Its spec.
        volumes: Directory of the pod's volumes, each under its name.
    """
    return {
        mount["mountPath"].rstrip("/"): str(volumes / mount["name"] / mount.get("subPath", ""))
        for mount in container.get("volumeMounts", [])
    }


def token_file(spec: Object, container: Object, volumes: Path) -> Path | None:
    """Return the file with the API server's token that is mounted for clients in the cluster, if one is."""
    names = {mount["name"] for mount in container.get("volumeMounts", [])}
    for volume in spec.get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            token = source.get("serviceAccountToken")
            if volume["name"] in names and token and not token.get("audience"):
                return volumes / str(volume["name"]) / str(token["path"])
    return None


def _files(source: Object, pod: Object, sources: Sources, default: int) -> dict[str, File]:
    if "serviceAccountToken" in source:
        request = source["serviceAccountToken"]
        return {request["path"]: File(sources.token(_token_request(request)).encode(), default)}
    if "downwardAPI" in source:
        return {
            item["path"]: File(_downward(item, pod, sources.surroundings).encode(), item.get("mode", default))
            for item in source["downwardAPI"].get("items", [])
        }
    if "secret" in source:
        reference = source["secret"]
        referent = Referent("Secret", reference.get("secretName") or reference["name"])
    else:
        reference = source["configMap"]
        referent = Referent("ConfigMap", reference["name"])
    optional = reference.get("optional", False)
    found = find(referent, sources.lookup, optional=optional) or {}
    items = reference.get("items")
    if items is None:
        return {key: File(content, default) for key, content in found.items()}
    return _chosen(referent, found, items, default, optional=optional)


def _chosen(
    referent: Referent, found: Mapping[str, bytes], items: Iterable[Any], default: int, *, optional: bool
) -> dict[str, File]:
    files = {}
    for item in items:
        if item["key"] in found:
            files[item["path"]] = File(found[item["key"]], item.get("mode", default))
        elif not optional:
            what = f'{referent.kind.lower()} "{referent.name}"'
            raise MissingReferentError(f"references non-existent {what} key: {item['key']}")
    return files


def _downward(item: Object, pod: Object, surroundings: Surroundings) -> str:
    if "fieldRef" in item:
        return field_value(pod, item["fieldRef"]["fieldPath"], surroundings)
    return resource_value(pod, item["resourceFieldRef"], "", surroundings)


def _token_request(source: Object) -> TokenRequest:
    return TokenRequest(source.get("audience") or "", int(source.get("expirationSeconds") or 3600))
