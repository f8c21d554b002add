"""A cluster made of our own images, for the tests that need Docker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.progress import Step
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain.provision import Toolchain
from environments.kind.offline.builder import Builder, Image
from environments.kind.offline.programs import PROGRAMS
from environments.kind.offline.table import load
from tests.kind.cluster import Cluster
from tests.toolchain.conftest import go_caches, pinned, proxy

__all__ = ["go_caches", "pinned", "proxy"]


@pytest.fixture(scope="session")
def docker() -> None:
    """Docker's daemon answers."""
    try:
        done = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=30, check=False)
        seen = done.stderr.strip().splitlines()[-1:] if done.returncode else None
    except OSError as error:
        seen = [f"docker: {error.strerror}"]
    if seen is not None:
        pytest.fail(
            f"a Docker daemon is wanted, and does not answer: {' '.join(seen)}\n"
            "Start it; on Debian `sudo .ci/docker/start` installs and starts it, `.ci/docker/stop` ends it."
        )


@pytest.fixture(scope="session")
def images(docker: None) -> dict[str, Image]:  # noqa: ARG001 - before minutes of building
    """All images of the table, by name; built where they are not in the cache."""
    table = load()
    made = Builder(cache_directory(), table).build(_tell, tuple(table.images))
    return {image.name: image for image in made}


@pytest.fixture(scope="session")
def cluster(images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A kind cluster on our node image, removed at the end."""
    tools = Toolchain(cache_directory(), PROGRAMS).ensure(_tell, ["kind", "kubectl"])
    directory = tmp_path_factory.mktemp("kind")
    cluster = Cluster(
        f"mita-test-{os.getpid()}", kind=tools["kind"], kubectl=tools["kubectl"], directory=directory
    )
    try:
        cluster.create(images["node"])
        yield cluster
    finally:
        cluster.delete()


@pytest.fixture(scope="session")
def loaded_operator(cluster: Cluster, images: dict[str, Image]) -> Path:
    """The operator's image is in the cluster; the result is the kubeconfig that leads to it."""
    cluster.load(images["external-secrets"])
    return cluster.kubeconfig


def _tell(step: Step, /) -> None:
    if step.state in {"started", "done", "failed"}:
        print(f"{step.subject}: {step.state} {step.detail}")  # noqa: T201 - pytest shows it with a failure
