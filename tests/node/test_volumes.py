"""What a pod's volumes hold."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from environments.embedded.node.atomic_directory import File
from environments.embedded.node.downward import Surroundings
from environments.embedded.node.referents import MissingReferentError, Referent
from environments.embedded.node.volumes import (
    Sources,
    TokenRequest,
    changing_volumes,
    mount_paths,
    payload,
    token_file,
    token_requests,
)

OBJECTS: dict[Referent, Any] = {
    Referent("Secret", "s"): {"data": {"user": base64.b64encode(b"u").decode(), "pw": "AP8="}},
    Referent("ConfigMap", "m"): {"data": {"text": "t\n"}, "binaryData": {"raw": "AP8="}},
}
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a": "1"}},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]},
}
SOURCES = Sources(
    lookup=OBJECTS.get,
    token=lambda request: f"token for {request.audience or 'the API'}, {request.seconds} s",
    surroundings=Surroundings("127.70.64.1", "127.70.0.10", {}),
)


def held(**source: Any) -> dict[str, File]:  # noqa: ANN401  JSON
    return dict(payload({"name": "v", **source}, POD, SOURCES))


def test_a_secret_with_every_key() -> None:
    assert held(secret={"secretName": "s"}) == {"user": File(b"u", 0o644), "pw": File(b"\0\xff", 0o644)}


def test_chosen_keys_with_paths_and_modes() -> None:
    items = [{"key": "user", "path": "db/login"}, {"key": "pw", "path": "db/pw", "mode": 0o400}]
    assert held(secret={"secretName": "s", "defaultMode": 0o440, "items": items}) == {
        "db/login": File(b"u", 0o440),
        "db/pw": File(b"\0\xff", 0o400),
    }


def test_a_config_map_has_text_and_binary_data() -> None:
    assert held(configMap={"name": "m", "defaultMode": 0o600}) == {
        "text": File(b"t\n", 0o600),
        "raw": File(b"\0\xff", 0o600),
    }


def test_the_downward_api() -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "mode": 0o400, "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}},
    ]
    assert held(downwardAPI={"items": items}) == {"labels": File(b'a="1"', 0o644), "cpu": File(b"2", 0o400)}


def test_a_projection_merges_its_sources() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "sts.amazonaws.com", "expirationSeconds": 600}},
        {"serviceAccountToken": {"path": "api"}},
        {"configMap": {"name": "m", "items": [{"key": "text", "path": "ca.crt"}]}},
        {"secret": {"name": "s", "items": [{"key": "user", "path": "user"}]}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": "v", "projected": {"defaultMode": 0o400, "sources": sources}}
    assert payload(volume, POD, SOURCES) == {
        "token": File(b"token for sts.amazonaws.com, 600 s", 0o400),
        "api": File(b"token for the API, 3600 s", 0o400),
        "ca.crt": File(b"t\n", 0o400),
        "user": File(b"u", 0o400),
        "ns": File(b"n", 0o400),
    }
    assert token_requests({"volumes": [volume]}) == {
        TokenRequest("sts.amazonaws.com", 600),
        TokenRequest("", 3600),
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        (
            {"secret": {"secretName": "s", "items": [{"key": "none", "path": "x"}]}},
            'references non-existent secret "s" key: none',
        ),
    ],
)
def test_what_is_missing_is_named_unless_optional(source: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReferentError) as caught:
        held(**source)
    assert str(caught.value) == message
    ((kind, reference),) = source.items()
    assert held(**{kind: {**reference, "optional": True}}) == {}


def test_only_volumes_with_content_of_ours_are_written() -> None:
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s"}}]
    assert [volume["name"] for volume in changing_volumes({"volumes": volumes})] == ["s"]


def test_mounts_lead_to_volumes_and_paths_in_them() -> None:
    container = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/etc/v/"},
            {"name": "w", "mountPath": "/etc/file", "subPath": "deep/file"},
        ]
    }
    assert mount_paths(container, Path("/pod/volumes")) == {
        "/etc/v": "/pod/volumes/v",
        "/etc/file": "/pod/volumes/w/deep/file",
    }


def test_only_a_mounted_token_for_the_api_server_is_for_clients_in_the_cluster() -> None:
    def volume(name: str, **token: str) -> dict[str, Any]:
        return {"name": name, "projected": {"sources": [{"serviceAccountToken": {"path": "t", **token}}]}}

    spec = {"volumes": [volume("aws", audience="sts.amazonaws.com"), volume("api")]}
    mounts = [{"name": "aws", "mountPath": "/a"}, {"name": "api", "mountPath": "/b"}]
    assert token_file(spec, {"volumeMounts": mounts}, Path("/v")) == Path("/v/api/t")
    assert token_file(spec, {"volumeMounts": mounts[:1]}, Path("/v")) is None
    assert token_file(spec, {}, Path("/v")) is None
