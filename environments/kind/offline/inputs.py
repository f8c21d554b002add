"""What decides an image, as a digest: an image is made again when any of it differs."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from environments.embedded.toolchain.artefact import GOARCH, Artefact
from environments.kind.offline import archive, bill, debian, distributions, layer
from environments.kind.offline.table import Recipe, Table

FILES = Path(__file__).with_name("files")
_REQUIREMENTS = Path(__file__).with_name("python")
_PROJECT = Path(__file__).parents[3]


def _text(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


# How things are written is an input too: what this process runs, not what an editor saves meanwhile.
_WRITERS = tuple(_text(module) for module in (layer, archive, bill, distributions))
_ROOT_WRITERS = tuple(_text(module) for module in (layer, debian))


def root_digest(table: Table, recipe: Recipe) -> str:
    """Return the digest of an image's Debian root; whatever mirror it comes from, it is the same."""
    parts = ["root", GOARCH, str(table.epoch), recipe.suite or table.debian.suite]
    parts += ["packages", *sorted(recipe.packages), "without", *sorted(recipe.without)]
    return _digest([*parts, *_ROOT_WRITERS])


def image_digest(table: Table, name: str, programs: Mapping[str, Artefact], files: Path = FILES) -> str:
    """Return the digest of an image, which covers all that is in it.

    Args:
        table: The table.
        name: The image's.
        programs: All programs that can be built.
        files: Holds the directories that recipes name.
    """
    recipe = table.images[name]
    parts = [GOARCH, str(table.epoch), recipe.model_dump_json(), *_WRITERS]
    parts += [programs[each].digest for each in sorted(recipe.programs)]
    if recipe.packages:
        parts.append(root_digest(table, recipe))
    if recipe.certificates:
        parts.append(version("certifi"))
    if recipe.files is not None:
        parts += _contents(files / recipe.files)
    parts += [requirements(each).read_text(encoding="utf-8") for each in sorted(recipe.python)]
    for module in sorted(recipe.modules):
        parts += _contents(module_directory(module))
    parts += [image_digest(table, each, programs, files) for each in sorted(recipe.images)]
    return _digest(parts)


def requirements(name: str) -> Path:
    """Return the file of pinned distributions that a recipe names."""
    return _REQUIREMENTS / f"{name}.txt"


def module_directory(name: str) -> Path:
    """Return the directory of a Python package of this project."""
    return _PROJECT / name


def needed_programs(table: Table, names: Iterable[str]) -> list[str]:
    """Return the programs of images, each once."""
    recipes: list[Recipe] = [table.images[name] for name in names]
    return sorted({program for recipe in recipes for program in recipe.programs})


def _contents(directory: Path) -> list[str]:
    parts = []
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            parts += [name, "link", str(path.readlink())]
        elif path.is_file() and "__pycache__" not in path.parts:
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            parts += [name, f"file {executable}", path.read_text(encoding="utf-8")]
    return parts


def _digest(parts: Iterable[str]) -> str:
    # Lengths keep two inputs from being taken for one.
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()[:12]
