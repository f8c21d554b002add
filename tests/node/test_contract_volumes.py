"""Contract of the node: what reaches a container by volumes, and who may see it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from environments.embedded.node.api import ApiError
from tests.node.cluster import (
    SLEEP,
    Namespace,
    encoded,
    eventually,
    is_ready,
    status_of,
)

pytestmark = [pytest.mark.embedded, pytest.mark.asyncio(loop_scope="session")]


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


async def test_every_kind_of_volume_with_keys_paths_and_modes(namespace: Namespace) -> None:
    await namespace.secret("s", user="u", password="p")
    await namespace.create(
        "configmaps", {"metadata": {"name": "m"}, "data": {"text": "t"}, "binaryData": {"raw": "AP8="}}
    )
    items = [{"key": "password", "path": "db/pw", "mode": 0o400}]
    field = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    volumes: list[dict[str, Any]] = [
        {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o440}},
        {"name": "chosen", "secret": {"secretName": "s", "items": items}},
        {"name": "config", "configMap": {"name": "m"}},
        {"name": "absent", "configMap": {"name": "none", "optional": True}},
        {"name": "down", "downwardAPI": {"items": [field]}},
        {"name": "empty", "emptyDir": {}},
        {
            "name": "all",
            "projected": {
                "sources": [
                    {"secret": {"name": "s"}},
                    {"configMap": {"name": "m", "items": [{"key": "text", "path": "t"}]}},
                    {"downwardAPI": {"items": [field]}},
                    {"serviceAccountToken": {"path": "token", "audience": "a", "expirationSeconds": 3600}},
                ]
            },
        },
    ]
    mounts = [{"name": each["name"], "mountPath": f"/mnt/{each['name']}"} for each in volumes]
    mounts.append({"name": "secret", "mountPath": "/etc/only-user", "subPath": "user"})
    read = """
import pathlib, time
while not pathlib.Path("/mnt/empty/seen").exists():
    time.sleep(0.02)
print(pathlib.Path("/etc/only-user").read_text())
"""
    await namespace.pod(
        "volumes",
        "-c",
        read,
        metadata={"labels": {"app": "x"}},
        restartPolicy="Never",
        volumes=volumes,
        container_volumeMounts=mounts,
    )
    pod = await namespace.wait("pods", "volumes", is_ready)

    def held(volume: str) -> dict[str, bytes]:
        root = namespace.cluster.volume(pod, volume)
        return {name: (root / name).read_bytes() for name in _shown(root) if (root / name).is_file()}

    assert held("secret") == {"user": b"u", "password": b"p"}
    assert held("config") == {"text": b"t", "raw": b"\0\xff"}
    assert held("absent") == held("empty") == {}
    assert held("down") == {"labels": b'app="x"'}
    assert {name: held("all")[name] for name in ("user", "t", "labels")} == {
        "user": b"u",
        "t": b"t",
        "labels": b'app="x"',
    }
    chosen = namespace.cluster.volume(pod, "chosen") / "db" / "pw"
    assert (chosen.read_text(), stat.S_IMODE(chosen.stat().st_mode)) == ("p", 0o400)
    user = namespace.cluster.volume(pod, "secret") / "user"
    assert stat.S_IMODE(user.stat().st_mode) == 0o440
    (namespace.cluster.volume(pod, "empty") / "seen").touch()
    await namespace.wait("pods", "volumes", lambda pod: pod["status"]["phase"] == "Succeeded")
    assert namespace.logs("volumes") == "u\n"


async def test_a_changed_secret_config_map_or_label_is_shown_within_a_second(namespace: Namespace) -> None:
    await namespace.secret("s", key="1", gone="1")
    await namespace.create("configmaps", {"metadata": {"name": "m"}, "data": {"key": "1"}})
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    volumes: list[dict[str, Any]] = [
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "m", "configMap": {"name": "m"}},
        {"name": "d", "downwardAPI": {"items": [labels]}},
        {"name": "p", "projected": {"sources": [{"secret": {"name": "s"}}]}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/mnt/{each['name']}"} for each in volumes]
    await namespace.pod("follows", "-c", SLEEP, volumes=volumes, container_volumeMounts=mounts)
    pod = await namespace.wait("pods", "follows", is_ready)
    roots = {each["name"]: namespace.cluster.volume(pod, each["name"]) for each in volumes}
    await namespace.update("secrets", "s", {"data": {**encoded({"key": "2", "new": "2"}), "gone": None}})
    await eventually(lambda: (roots["s"] / "key").read_text() == "2", 1)
    await eventually(lambda: (roots["p"] / "key").read_text() == "2", 1)
    assert _shown(roots["s"]) == ["key", "new"]
    await namespace.update("configmaps", "m", {"data": {"key": "2"}})
    await eventually(lambda: (roots["m"] / "key").read_text() == "2", 1)
    await namespace.update("pods", "follows", {"metadata": {"labels": {"a": "2"}}})
    await eventually(lambda: (roots["d"] / "labels").read_text() == 'a="2"', 1)
    # What is gone stays shown, as with the kubelet; what comes back is followed again.
    await namespace.cluster.api.delete(namespace.path("secrets", "s"))
    await namespace.event("follows", "FailedMount", 'secret "s" not found')
    assert (roots["s"] / "key").read_text() == "2"
    await namespace.secret("s", key="3")
    await eventually(lambda: (roots["s"] / "key").read_text() == "3", 1)


async def test_a_reader_in_the_pod_never_sees_half_a_change(namespace: Namespace) -> None:
    await namespace.secret("s", **dict.fromkeys("abcd", "0"))
    reader = """
import os, sys
seen = set()
while len(seen) < 15:
    try:
        at = os.open("/mnt/..data", os.O_RDONLY)
        try:
            values = {os.read(os.open(name, os.O_RDONLY, dir_fd=at), 9) for name in "abcd"}
        finally:
            os.close(at)
            os.closerange(3, 64)
    except FileNotFoundError:
        continue
    if len(values) != 1:
        sys.exit(f"half a change: {values}")
    seen |= values
print("whole")
"""
    await namespace.pod(
        "reader",
        "-c",
        reader,
        restartPolicy="Never",
        volumes=[{"name": "s", "secret": {"secretName": "s"}}],
        container_volumeMounts=[{"name": "s", "mountPath": "/mnt"}],
    )
    await namespace.wait("pods", "reader", lambda pod: "running" in status_of(pod)["state"])
    for generation in range(1, 60):
        await namespace.update("secrets", "s", {"data": encoded(dict.fromkeys("abcd", str(generation)))})
        await asyncio.sleep(0.02)  # several writers would not be faster than the watch
        if namespace.logs("reader"):
            break
    await namespace.wait("pods", "reader", lambda pod: pod["status"]["phase"] == "Succeeded")
    assert namespace.logs("reader") == "whole\n"


async def test_a_pod_waits_for_its_volumes_and_says_so(namespace: Namespace) -> None:
    await namespace.pod(
        "waits",
        "-c",
        SLEEP,
        volumes=[{"name": "s", "secret": {"secretName": "late"}}],
        container_volumeMounts=[{"name": "s", "mountPath": "/mnt"}],
    )
    await namespace.event("waits", "FailedMount", 'volume "s" : secret "late" not found')
    pod = await namespace.get("pods", "waits")
    assert status_of(pod)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    await namespace.secret("late", k="v")
    await namespace.wait("pods", "waits", is_ready)


async def test_a_pod_that_waits_for_a_volume_can_be_deleted(namespace: Namespace) -> None:
    await namespace.pod("waits", "-c", SLEEP, volumes=[{"name": "s", "secret": {"secretName": "never"}}])
    await namespace.event("waits", "FailedMount")
    await namespace.delete_pod("waits")
    await namespace.gone("pods", "waits", 5)


async def test_tokens_are_for_their_audience_bound_to_the_pod_and_renewed(namespace: Namespace) -> None:
    await namespace.create("serviceaccounts", {"metadata": {"name": "reader"}})
    token = {"path": "token", "audience": "sts.amazonaws.com", "expirationSeconds": 600}
    await namespace.pod(
        "tokens",
        "-c",
        SLEEP,
        serviceAccountName="reader",
        volumes=[{"name": "t", "projected": {"sources": [{"serviceAccountToken": token}]}}],
        container_volumeMounts=[{"name": "t", "mountPath": "/mnt"}],
    )
    pod = await namespace.wait("pods", "tokens", is_ready)
    file = namespace.cluster.volume(pod, "t") / "token"
    first = file.read_text()
    told = claims(first)
    assert told["aud"] == ["sts.amazonaws.com"]
    assert told["iss"] == namespace.cluster.plane.oidc_issuer
    assert told["sub"] == f"system:serviceaccount:{namespace.name}:reader"
    assert told["kubernetes.io"]["pod"] == {"name": "tokens", "uid": pod["metadata"]["uid"]}
    assert told["exp"] - told["iat"] == 600
    # The suite's node renews after half a percent of a token's life: 3 s.
    await eventually(lambda: file.read_text() != first, 15)
    assert claims(file.read_text())["iat"] > told["iat"]


async def test_the_node_may_read_only_secrets_of_its_pods(namespace: Namespace) -> None:
    await namespace.secret("foreign", k="v")
    assert namespace.cluster.node.pods is not None
    api = namespace.cluster.node.pods._context.api
    with pytest.raises(ApiError, match="Forbidden"):
        await api.get(namespace.path("secrets", "foreign"))
    with pytest.raises(ApiError, match="Forbidden"):
        await api.list(namespace.path("secrets"))


async def test_no_secret_value_is_in_the_run_directory_outside_volumes(namespace: Namespace) -> None:
    value = f"s3cr3t-{os.urandom(8).hex()}"
    await namespace.secret("s", key=value)
    await namespace.pod(
        "quiet",
        "-c",
        SLEEP,
        volumes=[{"name": "s", "secret": {"secretName": "s"}}],
        container_volumeMounts=[{"name": "s", "mountPath": "/mnt"}],
        container_env=[{"name": "V", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}}],
    )
    pod = await namespace.wait("pods", "quiet", is_ready)
    root, volumes = namespace.cluster.site.run.root, namespace.cluster.volume(pod, "")
    found = [path for path in _files(root) if value.encode() in path.read_bytes()]
    assert found
    assert all(path.is_relative_to(volumes) for path in found)


def _shown(volume: Path) -> list[str]:
    return sorted(path.name for path in volume.iterdir() if not path.name.startswith(".."))


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
