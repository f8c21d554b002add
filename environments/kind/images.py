"""The images that the kind environment runs: made where they are missing, and handed to Docker."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping

import docker.errors

from deployer.progress import Progress, Step
from environments.embedded.locations import cache_directory
from environments.kind.engine import Engine
from environments.kind.offline.builder import Builder, Image
from environments.kind.offline.table import load

NODE = "node"
SERVERS = ("localstack", "postgresql", "redis", "monitoring")
PODS = ("external-secrets", "mita", "secret-exporter")


def ensure_images(engine: Engine, progress: Progress) -> Mapping[str, Image]:
    """Make what is not in the cache, and give Docker what runs as a container.

    Raises:
        ConfigurationError: The cache cannot be written, or root is needed.
        MissingToolError: A program that builds is missing, or failed.
    """
    made = {
        image.name: image
        for image in Builder(cache_directory(), load()).build(progress, (NODE, *SERVERS, *PODS))
    }
    for name in (NODE, *SERVERS):
        image = made[name]
        if not _has(engine, image):
            progress(Step(f"image {name}", "progress", "is handed to Docker"))
            with image.archive.open("rb") as archive:
                engine.client.images.load(archive)
    return made


def _has(engine: Engine, image: Image) -> bool:
    try:
        held: str = engine.client.images.get(image.reference).id
    except docker.errors.ImageNotFound:
        return False
    with tarfile.open(image.archive) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None  # noqa: S101 - every archive of ours has it
        (described,) = json.load(manifest)
    return held == f"sha256:{described['Config'].removesuffix('.json')}"
