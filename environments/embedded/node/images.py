"""Which local program stands for which container image: the node's one table.

Nothing is pulled.  A pod whose image is not here, or not in this version, does not
start, and an event says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# What containers expect to find beside their image's own programs (sh, cat, sleep, ...).
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TABLE = "environments/embedded/node/images.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A program on this machine that an image reference leads to.

    Attributes:
        entrypoint: What runs when the container names no command.
        arguments: What the entrypoint gets when the container names no arguments.
        environment: Variables that the image sets; rewritten for the pod like the container's own.
        path: PATH of the container.
        tags: The tags that this program can stand for; None for every tag.
    """

    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = SYSTEM_PATH
    tags: frozenset[str] | None = None

    def argv(self, command: list[str], args: list[str]) -> list[str]:
        """Combine the image's program with a container's `command` and `args`, as Kubernetes does."""
        if command:
            return [*command, *args]
        return [*self.entrypoint, *(args or self.arguments)]


class UnknownImageError(LookupError):
    """No local program stands for an image reference; the text says why."""


@dataclass(frozen=True, slots=True)
class ImageTable:
    """The images that one environment can run.

    Attributes:
        images: By repository, without registry ``docker.io``, tag or digest.
    """

    images: Mapping[str, Image]

    def find(self, reference: str) -> Image:
        """Return the program for an image reference such as ``mita-finance/mita:latest``.

        Raises:
            UnknownImageError: The table has no such repository, or not in this version.
        """
        repository, tag = _parse(reference)
        image = self.images.get(repository)
        if image is None:
            known = ", ".join(sorted(self.images))
            raise UnknownImageError(
                f'Image "{reference}" has no local program: the table in {TABLE} has {known}'
            )
        if image.tags is not None and tag not in image.tags:
            known = ", ".join(sorted(image.tags))
            raise UnknownImageError(
                f'Image "{reference}" has no local program: the table in {TABLE} has it as {known}'
            )
        return image


def image_table(tools: Mapping[str, Path]) -> ImageTable:
    """Make the table from the programs of the toolchain.

    Args:
        tools: Paths of programs; ``external-secrets`` is used.
    """
    python_path = os.pathsep.join([str(Path(sys.executable).parent), SYSTEM_PATH])
    return ImageTable(
        {
            "ghcr.io/external-secrets/external-secrets": Image(
                entrypoint=(str(tools["external-secrets"]),),
                # Its webhook has no option for the address and would listen on all of them.
                environment={"WEBHOOK_BIND_ADDRESS": "0.0.0.0"},  # noqa: S104  rewritten to the pod's own
                tags=frozenset({"v0.9.9"}),
            ),
            "mita-finance/mita": Image(
                entrypoint=(sys.executable, "-m", "reference_app"),
                environment={"MITA_HOST": "0.0.0.0", "PYTHONUNBUFFERED": "1"},  # noqa: S104  rewritten
                path=python_path,
            ),
            "mita-finance/secret-exporter": Image(
                entrypoint=(sys.executable, "-m", "secret_exporter"),
                environment={"PYTHONUNBUFFERED": "1"},
                path=python_path,
            ),
            "mita-finance/probe": Image(
                entrypoint=(sys.executable,), environment={"PYTHONUNBUFFERED": "1"}, path=python_path
            ),
        }
    )


def _parse(reference: str) -> tuple[str, str]:
    """Split an image reference into its repository and its tag; a digest is no tag and no version here."""
    name, _, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # the colon, if any, belongs to a registry's port
        repository, tag = name, ""
    for prefix in ("docker.io/", "index.docker.io/", "library/"):
        repository = repository.removeprefix(prefix)
    return repository, digest or tag or "latest"
