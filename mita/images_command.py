"""``mita images``: images for networks without an image registry."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from deployer.errors import ConfigurationError
from environments.embedded.locations import cache_directory
from environments.kind.offline.builder import Builder, Image
from environments.kind.offline.table import load
from mita.console import progress

_names = click.argument("names", nargs=-1, metavar="[IMAGE]...")


@click.group(
    epilog="""\b
Examples:
  mita images list
  mita images build
  mita images build external-secrets --output images/
""",
)
def images() -> None:
    """Make container images from package mirrors alone, where no image registry can be reached."""


@images.command(
    epilog="""\b
Examples:
  mita images build
  mita images build node --debian-mirror https://mirror.example/debian
  mita images build --output images/ && docker load --input images/node.tar

\b
What is made stays in the cache under the digest of its inputs; what is there is not made again.
Images on Debian packages need root and debootstrap, the others need neither; none needs Docker.
"""
)
@_names
@click.option(
    "--debian-mirror", metavar="URL", help="A mirror of Debian; debootstrap's own choice by default."
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="Also put the images and their bills of materials there.",
)
def build(names: tuple[str, ...], debian_mirror: str | None, output: Path | None) -> None:
    """Make images (all, or those named) with a bill of materials each, and tell where they are."""
    table = load(mirror=debian_mirror)
    with progress() as tell:
        made = Builder(cache_directory(), table).build(tell, names or tuple(table.images))
    for image in made:
        archive = image.archive if output is None else _put(image, output)
        click.echo(f"{image.reference}\t{archive}")


@images.command("list")
def list_images() -> None:
    """List the images, and where each one is; build nothing."""
    table = load()
    builder = Builder(cache_directory(), table)
    for name, recipe in table.images.items():
        image = builder.image(name)
        where = str(image.archive) if image.exists() else "to build"
        needs = "Debian" if recipe.packages else "-"
        click.echo(f"{name:24} {recipe.reference:56} {needs:7} {where}")


def _put(image: Image, directory: Path) -> Path:
    archive = directory / f"{image.name}.tar"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.archive, archive)
        shutil.copyfile(image.bill, directory / f"{image.name}.cdx.json")
    except OSError as error:
        raise ConfigurationError(
            str(directory),
            expected="a directory that can be written",
            seen=error.strerror or type(error).__name__,
            remedy="Name another directory.",
        ) from error
    return archive
