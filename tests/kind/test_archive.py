"""An image in the form that Docker and containerd load."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from environments.kind.offline import archive
from environments.kind.offline.archive import LayerFile
from environments.kind.offline.layer import Layer
from environments.kind.offline.table import Recipe

EPOCH = 1_700_000_000
RECIPE = Recipe(
    reference="registry.example/tool:v1",
    entrypoint=("/tool", "--serve"),
    environment={"B": "2", "A": "1"},
    user="1:2",
    stop_signal="SIGINT",
)


def make(directory: Path, recipe: Recipe = RECIPE) -> tuple[str, Path]:
    layers = []
    for name in ("lower", "upper"):
        layer = Layer(EPOCH)
        layer.file(f"/{name}", name.encode())
        layers.append(LayerFile(directory / name, layer.write(directory / name)))
    path = directory / "image.tar"
    configured = archive.configuration(recipe, layers, EPOCH)
    return archive.write(path, reference=recipe.reference, configured=configured, layers=layers), path


def content(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    assert stream is not None
    return stream.read()


def test_the_archive_names_its_configuration_and_layers_by_their_sums(tmp_path: Path) -> None:
    identity, path = make(tmp_path)
    with tarfile.open(path) as tar:
        (entry,) = json.loads(content(tar, "manifest.json"))
        text = content(tar, entry["Config"])
        sums = [hashlib.sha256(content(tar, name)).hexdigest() for name in entry["Layers"]]
    assert entry["RepoTags"] == ["registry.example/tool:v1"]
    assert f"sha256:{hashlib.sha256(text).hexdigest()}" == identity
    configured: dict[str, Any] = json.loads(text)
    assert configured["rootfs"]["diff_ids"] == [f"sha256:{each}" for each in sums]
    assert len(configured["history"]) == 2
    assert configured["created"] == "2023-11-14T22:13:20Z"
    assert configured["config"] == {
        "Entrypoint": ["/tool", "--serve"],
        "Env": ["A=1", "B=2", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "StopSignal": "SIGINT",
        "User": "1:2",
        "WorkingDir": "/",
    }


def test_the_same_image_is_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    assert make(tmp_path / "first")[0] == make(tmp_path / "second")[0]
    assert (tmp_path / "first/image.tar").read_bytes() == (tmp_path / "second/image.tar").read_bytes()


def test_another_entrypoint_is_another_image(tmp_path: Path) -> None:
    first, _ = make(tmp_path)
    second, _ = make(tmp_path, RECIPE.model_copy(update={"entrypoint": ("/tool",)}))
    assert first != second
