"""Fields of a pod: implemented, accepted unenforced, or refused."""

from __future__ import annotations

import os
from typing import Any

import pytest

from environments.embedded.node import support


def spec(container: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    return {"containers": [{"name": "c", "image": "i", **(container or {})}], **fields}


def test_a_pod_as_the_api_server_defaults_it_is_accepted() -> None:
    verdict = support.check(
        {
            "volumes": [
                {
                    "name": "kube-api-access-x",
                    "projected": {
                        "defaultMode": 420,
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                            {
                                "configMap": {
                                    "name": "kube-root-ca.crt",
                                    "items": [{"key": "ca.crt", "path": "c"}],
                                }
                            },
                            {
                                "downwardAPI": {
                                    "items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]
                                }
                            },
                        ],
                    },
                }
            ],
            "containers": [
                {
                    "name": "c",
                    "image": "i",
                    "resources": {},
                    "volumeMounts": [
                        {"name": "kube-api-access-x", "readOnly": True, "mountPath": "/var/run/s"}
                    ],
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "Always",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "nodeName": "mita-node",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            ],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        }
    )
    assert verdict.refused == ()
    assert verdict.unenforced == ("containers.volumeMounts.readOnly", "containers.imagePullPolicy")


def test_a_hardened_pod_is_accepted_and_what_is_not_enforced_is_named_once() -> None:
    hardened = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}},
    }
    container = {"name": "c", "image": "i", **hardened}
    verdict = support.check({"containers": [container, {**container, "name": "d"}]})
    assert verdict.refused == ()
    assert set(verdict.unenforced) == {
        "containers.securityContext.runAsNonRoot",
        "containers.securityContext.runAsUser",
        "containers.securityContext.readOnlyRootFilesystem",
        "containers.securityContext.allowPrivilegeEscalation",
        "containers.securityContext.capabilities.drop",
        "containers.securityContext.seccompProfile",
        "containers.resources.requests",
        "containers.resources.limits",
    }
    assert len(verdict.unenforced) == len(set(verdict.unenforced))


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        (spec(hostNetwork=True), "spec.hostNetwork"),
        (spec(hostPID=True), "spec.hostPID"),
        (spec(hostUsers=False), "spec.hostUsers"),
        (spec(hostAliases=[{"ip": "10.0.0.1"}]), "spec.hostAliases"),
        (spec(dnsConfig={"searches": ["x"]}), "spec.dnsConfig"),
        (spec(dnsPolicy="None"), "spec.dnsPolicy"),
        (spec(runtimeClassName="gvisor"), "spec.runtimeClassName"),
        (spec(shareProcessNamespace=True), "spec.shareProcessNamespace"),
        (spec(os={"name": "windows"}), "spec.os.name"),
        (spec(somethingOfTomorrow=3), "spec.somethingOfTomorrow"),
        (spec(securityContext={"sysctls": [{"name": "x"}]}), "spec.securityContext.sysctls"),
        (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "spec.volumes[0].hostPath"),
        (spec(volumes=[{"name": "v", "ephemeral": {}}]), "spec.volumes[0].ephemeral"),
        (
            spec(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]),
            "spec.volumes[0].persistentVolumeClaim",
        ),
        (
            spec(volumes=[{"name": "v", "projected": {"sources": [{"podCertificate": {"x": 1}}]}}]),
            "spec.volumes[0].projected.sources[0].podCertificate",
        ),
        (spec({"securityContext": {"privileged": True}}), "spec.containers[0].securityContext.privileged"),
        (
            spec({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}),
            "spec.containers[0].securityContext.capabilities.add",
        ),
        (spec({"ports": [{"containerPort": 1, "hostPort": 1}]}), "spec.containers[0].ports[0].hostPort"),
        (spec({"livenessProbe": {"grpc": {"port": 1}}}), "spec.containers[0].livenessProbe.grpc"),
        (spec({"lifecycle": {"postStart": {"sleep": {}}}}), "spec.containers[0].lifecycle.postStart"),
        (spec({"restartPolicy": "Always"}), "spec.containers[0].restartPolicy"),
        (spec({"tty": True}), "spec.containers[0].tty"),
        (spec({"resources": {"claims": [{"name": "x"}]}}), "spec.containers[0].resources.claims"),
        (
            spec({"env": [{"name": "E", "valueFrom": {"fileKeyRef": {}}}]}),
            "spec.containers[0].env[0].valueFrom.fileKeyRef",
        ),
        (
            spec({"volumeMounts": [{"name": "v", "mountPath": "/"}]}),
            "spec.containers[0].volumeMounts[0].mountPath",
        ),
        (
            spec({"volumeMounts": [{"name": "v", "mountPath": "/m", "subPathExpr": "$(X)"}]}),
            "spec.containers[0].volumeMounts[0].subPathExpr",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_node_cannot_do_is_refused_by_name(pod: dict[str, Any], field: str) -> None:
    (refused,) = support.check(pod).refused
    assert refused.partition(":")[0] == field


@pytest.mark.parametrize("value", [None, False, "", []])
def test_an_unknown_field_that_asks_for_nothing_is_no_reason(value: object) -> None:
    assert support.check(spec(hostNetwork=value)).refused == ()


def test_root_may_be_asked_for_where_the_environment_runs_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = spec({"securityContext": {"runAsUser": 0}})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert support.check(pod).refused == ()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (refused,) = support.check(pod).refused
    assert refused.startswith("spec.containers[0].securityContext.runAsUser: 0 (")


def test_a_mount_inside_another_is_refused_but_a_neighbour_is_not() -> None:
    mounts = [{"name": "v", "mountPath": path} for path in ("/etc/a/", "/etc/a/b", "/etc/ab")]
    (refused,) = support.check(spec({"volumeMounts": mounts})).refused
    assert "mount /etc/a/b inside /etc/a " in refused


def test_every_refusal_is_reported_not_only_the_first() -> None:
    assert len(support.check(spec({"tty": True}, hostPID=True, hostIPC=True)).refused) == 3


def test_a_sidecar_is_accepted_and_init_containers_are_checked_too() -> None:
    init = [{"name": "a", "image": "i", "restartPolicy": "Always"}, {"name": "b", "image": "i", "tty": True}]
    assert support.check(spec(initContainers=init)).refused == ("spec.initContainers[1].tty",)
