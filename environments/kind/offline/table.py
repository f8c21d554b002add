"""The table of images, ``images.toml``, read into types."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deployer.errors import ConfigurationError

TABLE = Path(__file__).with_name("images.toml")

Text = Annotated[str, Field(min_length=1)]
# A registry's host, a path, and a tag: what Docker and containerd take for whole.
Reference = Annotated[str, Field(pattern=r"^[a-z0-9.-]+\.[a-z]+(/[a-z0-9._-]+)+:[\w.-]+$")]
InImage = Annotated[str, Field(pattern=r"^(/[\w.-]+)+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Debian(_Strict):
    """Where packages come from.

    Attributes:
        suite: Release of Debian.
        mirror: A mirror of it; debootstrap's own choice unless given.
    """

    suite: Text
    mirror: Annotated[str, Field(pattern=r"^(https?|file)://\S+$")] | None = None


class Recipe(_Strict):
    """How one image is made.

    Attributes:
        reference: What it is asked for by.
        packages: Debian packages, on a minimal Debian; none at all: the image is empty before the rest.
        suite: Release of Debian, if not the table's.
        without: What packages made that does not belong into an image: files and directories.
        python: Pinned distributions from PyPI by file below ``python/``, and the directory for each file's.
        modules: Python packages of this project by their path in it, and where each one lies in the image.
        programs: Go programs by name, and where each one lies in the image.
        certificates: Whether the certificate authorities that the web trusts are in it.
        files: Directory below ``files/`` that is copied over all of it.
        images: Other images that are put in ``/kind/images``.
        entrypoint: Program and arguments.
        environment: Variables.
        user: Ids of user and group; root unless given.
        stop_signal: What ends it; SIGTERM unless given.
    """

    reference: Reference
    packages: tuple[Text, ...] = ()
    suite: Text | None = None
    without: tuple[InImage, ...] = ()
    python: Mapping[str, InImage] = {}
    modules: Mapping[str, InImage] = {}
    programs: Mapping[str, InImage] = {}
    certificates: bool = False
    files: Text | None = None
    images: tuple[Text, ...] = ()
    entrypoint: Annotated[tuple[Text, ...], Field(min_length=1)]
    environment: Mapping[str, str] = {}
    user: Annotated[str, Field(pattern=r"^\d+:\d+$")] | None = None
    stop_signal: Text | None = None


class Table(_Strict):
    """All images.

    Attributes:
        epoch: The latest time that a file in an image bears.
        debian: Where packages come from.
        images: Recipes by name.
    """

    epoch: Annotated[int, Field(gt=0)]
    debian: Debian
    images: Mapping[str, Recipe]

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        references = [recipe.reference for recipe in self.images.values()]
        if twice := sorted({each for each in references if references.count(each) > 1}):
            raise ValueError(f"more than one image is {', '.join(twice)}")
        for name, recipe in self.images.items():
            if unknown := sorted(set(recipe.images) - set(self.images)):
                raise ValueError(f"{name} holds images that are not in the table: {', '.join(unknown)}")
            if nested := [each for each in recipe.images if self.images[each].images]:
                raise ValueError(f"{name} holds {nested[0]}, which holds images itself")
        return self

    def order(self, names: Collection[str]) -> list[str]:
        """Return images with all that they hold, each after what it holds.

        Raises:
            ConfigurationError: A name is not in the table.
        """
        if unknown := sorted(set(names) - set(self.images)):
            raise ConfigurationError(
                "images",
                expected=f"names among {', '.join(self.images)}",
                seen=", ".join(unknown),
                remedy="Correct the name.",
            )
        wanted = set(names).union(*(self.images[name].images for name in names))
        return sorted(
            (name for name in self.images if name in wanted), key=lambda name: bool(self.images[name].images)
        )


def load(path: Path = TABLE, *, mirror: str | None = None) -> Table:
    """Read the table.

    Args:
        path: The file.
        mirror: A mirror of Debian in place of the one that the table names, if any.

    Raises:
        ConfigurationError: It cannot be read, or something in it is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if mirror is not None:
            content["debian"]["mirror"] = mirror
        return Table.model_validate(content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(
            str(path), expected="a table of images", seen=str(error), remedy="Correct it; table.py says how."
        ) from error
