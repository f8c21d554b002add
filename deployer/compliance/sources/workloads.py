"""What runs: literals of pods, ConfigMaps, and service-account tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deployer.cluster import Cluster, Object
from deployer.compliance.facts import TokenRequest, Workloads
from deployer.compliance.sources.scanner import search_values
from deployer.fingerprint import Fingerprints

_HOUR = 3600  # what Kubernetes gives a token that does not say
_OPTION = re.compile(r"--?([\w-]+)[= ](.+)", re.DOTALL)
_LASTING = "kubernetes.io/service-account-token"
_PUBLISHED = {"kube-root-ca.crt"}  # Kubernetes' own, in every namespace


def read_workloads(cluster: Cluster, namespaces: Iterable[str], fingerprints: Fingerprints) -> Workloads:
    """Read what runs in some namespaces."""
    pods: list[Object] = []
    maps: list[Object] = []
    lasting: list[str] = []
    for namespace in namespaces:
        pods += cluster.list("v1", "Pod", namespace)
        maps += cluster.list("v1", "ConfigMap", namespace)
        held = cluster.list("v1", "Secret", namespace, fieldSelector=f"type={_LASTING}")
        lasting += [f"secret {namespace}/{each['metadata']['name']}" for each in held]
    return Workloads(
        containers=sum(1 for pod in pods for _ in _containers(pod)),
        literals=search_values(dict(each for pod in pods for each in _literals(pod)), fingerprints),
        config_maps=search_values(dict(each for item in maps for each in _entries(item)), fingerprints),
        tokens=tuple(token for pod in pods for token in _tokens(pod)),
        lasting_tokens=tuple(lasting),
    )


def _place(item: Object) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _containers(pod: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod["spec"].get(group) or ()


def _literals(pod: Object) -> Iterator[tuple[str, tuple[str, str]]]:
    for container in _containers(pod):
        where = f"pod {_place(pod)} container {container['name']}"
        for variable in container.get("env") or ():
            if variable.get("value"):
                yield f"{where} variable {variable['name']}", (variable["name"], variable["value"])
        given = [*(container.get("command") or ()), *(container.get("args") or ())]
        for number, argument in enumerate(given, 1):
            option = _OPTION.fullmatch(argument)
            named = (option[1], option[2]) if option else ("argument", argument)
            yield f"{where} argument {number}", named


def _entries(item: Object) -> Iterator[tuple[str, tuple[str, str]]]:
    if item["metadata"]["name"] not in _PUBLISHED:
        for key, value in (item.get("data") or {}).items():
            yield f"configmap {_place(item)} key {key}", (key, value)


def _tokens(pod: Object) -> Iterator[TokenRequest]:
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token is not None:
                yield TokenRequest(
                    f"pod {_place(pod)} volume {volume['name']}",
                    token.get("audience", ""),
                    token.get("expirationSeconds", _HOUR),
                )
