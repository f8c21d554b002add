"""An image as one file, in the form that ``docker load`` and containerd's import take.

No Docker is needed to write it: an image is its layers, and a few lines about them.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from environments.embedded.toolchain.artefact import GOARCH
from environments.kind.offline.table import Recipe

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class LayerFile:
    """A layer that has been written.

    Attributes:
        path: The tar file.
        digest: Its SHA-256 sum.
    """

    path: Path
    digest: str


def configuration(recipe: Recipe, layers: Sequence[LayerFile], epoch: int) -> dict[str, object]:
    """Return what is said of an image besides its layers."""
    environment = {"PATH": _PATH, **recipe.environment}
    run: dict[str, object] = {
        "Entrypoint": list(recipe.entrypoint),
        "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
        "WorkingDir": "/",
    }
    if recipe.user is not None:
        run["User"] = recipe.user
    if recipe.stop_signal is not None:
        run["StopSignal"] = recipe.stop_signal
    created = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    return {
        "architecture": GOARCH,
        "os": "linux",
        "created": created,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": created, "created_by": "mita images build"} for _ in layers],
    }


def write(
    path: Path, *, reference: str, configured: Mapping[str, object], layers: Sequence[LayerFile]
) -> str:
    """Write an image, and return its id.

    Raises:
        OSError: It cannot be written, or a layer cannot be read.
    """
    text = json.dumps(configured, sort_keys=True).encode()
    identity = hashlib.sha256(text).hexdigest()
    manifest = [
        {
            "Config": f"{identity}.json",
            "RepoTags": [reference],
            "Layers": [f"{layer.digest}.tar" for layer in layers],
        }
    ]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        _bytes(tar, f"{identity}.json", text)
        for layer in layers:
            entry = tarfile.TarInfo(f"{layer.digest}.tar")
            entry.size = layer.path.stat().st_size
            with layer.path.open("rb") as source:
                tar.addfile(entry, source)
        _bytes(tar, "manifest.json", json.dumps(manifest).encode())
    return f"sha256:{identity}"


def _bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
