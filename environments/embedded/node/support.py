"""What the node makes of each field of a pod: implements it, accepts it unenforced, or refuses the pod.

`POD` is the one table.  A field that is not in it is refused, so that nothing new in
Kubernetes is passed over in silence.  Of such a field an absent, false or empty value asks
for nothing; an empty object does (``ephemeral: {}``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from environments.embedded.node.api import Object


@dataclass(frozen=True, slots=True)
class Unenforced:
    """A field that a pod may have although the node does not act on it.

    Attributes:
        reason: Why the pod works all the same.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Only:
    """A field that may have some values only.

    Attributes:
        allowed: Tells whether a value is one of them.
        reason: Why the others are refused.
        enforced: Whether an allowed value has its effect.
    """

    allowed: Callable[[Any], bool]
    reason: str
    enforced: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pod asks for that it does not get.

    Attributes:
        refused: Fields that keep it from running here, each with the reason.
        unenforced: Fields that are accepted without effect, without the indices of lists.
    """

    refused: tuple[str, ...]
    unenforced: tuple[str, ...]


class _Done:
    """The mark of fields that are implemented, or that are the business of other components."""


DONE = _Done()
type Rule = _Done | Unenforced | Only | Mapping[str, Rule]

NO_ISOLATION = Unenforced("a pod's processes are plain processes of the user who started the environment")
NO_CGROUPS = Unenforced("the scheduler counts it; the node has no control groups to enforce it with")
NO_MOUNTS = Unenforced("volumes are plain directories of the pod")
_OWN_USER = Only(
    lambda user: user != 0 or os.geteuid() == 0,
    reason="the environment was not started by root, so no process can be",
    enforced=False,
)


def _only(*values: object, reason: str) -> Only:
    return Only(lambda value: value in values, reason)


_SECURITY: Mapping[str, Rule] = {
    "runAsNonRoot": NO_ISOLATION,
    "runAsUser": _OWN_USER,
    "runAsGroup": NO_ISOLATION,
    "seccompProfile": NO_ISOLATION,
    "appArmorProfile": NO_ISOLATION,
}
_HANDLER: Mapping[str, Rule] = {
    "exec": DONE,
    "httpGet": DONE,
    "tcpSocket": DONE,
}
_PROBE: Mapping[str, Rule] = {
    **_HANDLER,
    "initialDelaySeconds": DONE,
    "periodSeconds": DONE,
    "timeoutSeconds": DONE,
    "successThreshold": DONE,
    "failureThreshold": DONE,
    "terminationGracePeriodSeconds": DONE,
}
_CONTAINER: Mapping[str, Rule] = {
    "name": DONE,
    "image": DONE,
    "imagePullPolicy": Unenforced("images are programs of this machine; none is pulled"),
    "command": DONE,
    "args": DONE,
    "workingDir": DONE,
    "env": {
        "name": DONE,
        "value": DONE,
        "valueFrom": {
            "secretKeyRef": DONE,
            "configMapKeyRef": DONE,
            "fieldRef": DONE,
            "resourceFieldRef": DONE,
        },
    },
    "envFrom": {"prefix": DONE, "secretRef": DONE, "configMapRef": DONE},
    "ports": {"name": DONE, "containerPort": DONE, "protocol": DONE},
    "resources": {"requests": NO_CGROUPS, "limits": NO_CGROUPS},
    "resizePolicy": NO_CGROUPS,
    "volumeMounts": {
        "name": DONE,
        "mountPath": Only(lambda path: path.strip("/") != "", "there is no root file system of its own"),
        "subPath": DONE,
        "readOnly": NO_MOUNTS,
        "recursiveReadOnly": _only("Disabled", "IfPossible", reason="there are no mounts"),
        "mountPropagation": _only("None", reason="there are no mounts"),
    },
    "startupProbe": _PROBE,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "lifecycle": {"preStop": {**_HANDLER, "sleep": DONE}},
    "terminationMessagePath": DONE,
    "terminationMessagePolicy": DONE,
    "securityContext": {
        **_SECURITY,
        "allowPrivilegeEscalation": NO_ISOLATION,
        "readOnlyRootFilesystem": NO_ISOLATION,
        "capabilities": {"drop": NO_ISOLATION},
        "procMount": _only("Default", reason="there is no container to mount it in"),
    },
}
_KEYS: Mapping[str, Rule] = {"name": DONE, "items": DONE, "optional": DONE}

POD: Mapping[str, Rule] = {
    "containers": _CONTAINER,
    "initContainers": {**_CONTAINER, "restartPolicy": _only("Always", reason="only sidecars are known")},
    "volumes": {
        "name": DONE,
        "secret": {"secretName": DONE, "items": DONE, "optional": DONE, "defaultMode": DONE},
        "configMap": {**_KEYS, "defaultMode": DONE},
        "downwardAPI": DONE,
        "emptyDir": {"medium": NO_MOUNTS, "sizeLimit": NO_MOUNTS},
        "projected": {
            "defaultMode": DONE,
            "sources": {
                "secret": _KEYS,
                "configMap": _KEYS,
                "downwardAPI": DONE,
                "serviceAccountToken": DONE,
            },
        },
    },
    "restartPolicy": DONE,
    "terminationGracePeriodSeconds": DONE,
    "activeDeadlineSeconds": DONE,
    "readinessGates": DONE,
    "enableServiceLinks": DONE,
    "serviceAccountName": DONE,
    "serviceAccount": DONE,
    "automountServiceAccountToken": DONE,
    "hostname": DONE,
    "hostUsers": Only(bool, "there are no user namespaces"),
    "os": {"name": _only("linux", reason="the node runs Linux")},
    "dnsPolicy": _only("ClusterFirst", "Default", reason="processes use the resolver of this machine"),
    "imagePullSecrets": Unenforced("images are programs of this machine; none is pulled"),
    "securityContext": {
        **_SECURITY,
        "fsGroup": NO_ISOLATION,
        "fsGroupChangePolicy": NO_ISOLATION,
        "supplementalGroups": NO_ISOLATION,
        "supplementalGroupsPolicy": NO_ISOLATION,
    },
    # The scheduler's and the admission controllers' fields.
    "nodeName": DONE,
    "nodeSelector": DONE,
    "affinity": DONE,
    "tolerations": DONE,
    "topologySpreadConstraints": DONE,
    "schedulerName": DONE,
    "schedulingGates": DONE,
    "priority": DONE,
    "priorityClassName": DONE,
    "preemptionPolicy": DONE,
}


def check(spec: Object) -> Verdict:
    """Compare a pod's spec with the table."""
    refused: list[str] = []
    unenforced: dict[str, None] = {}
    for path, value, rule in _leaves(spec, POD, "spec"):
        if rule is None:
            refused.append(path)
        elif isinstance(rule, Only) and not rule.allowed(value):
            refused.append(f"{path}: {value!r} ({rule.reason})")
        elif isinstance(rule, Unenforced) or (isinstance(rule, Only) and not rule.enforced):
            unenforced[_without_indices(path)] = None
    refused.extend(_nested_mounts(spec))
    return Verdict(tuple(refused), tuple(unenforced))


def _leaves(value: Any, rule: Rule, path: str) -> Iterator[tuple[str, Any, Rule | None]]:  # noqa: ANN401  JSON
    """Yield path, value and rule of each field; None is the rule of a field that the table does not have."""
    if not isinstance(rule, Mapping):
        yield path, value, rule
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _leaves(element, rule, f"{path}[{index}]")
    else:
        for name, inner in value.items():
            if name not in rule:
                if inner not in (None, False, "", []):
                    yield f"{path}.{name}", inner, None
            elif inner is not None:
                yield from _leaves(inner, rule[name], f"{path}.{name}")


def _without_indices(path: str) -> str:
    return ".".join(part.partition("[")[0] for part in path.split(".")).removeprefix("spec.")


def _nested_mounts(spec: Object) -> list[str]:
    """Name mounts that lie inside another: programs that walk the outer one would not meet the inner."""
    found = []
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        paths = sorted(mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts", []))
        found += [
            f'container "{container["name"]}": mount {inner} inside {outer} (volumes are apart)'
            for outer in paths
            for inner in paths
            if inner.startswith(f"{outer}/")
        ]
    return found
