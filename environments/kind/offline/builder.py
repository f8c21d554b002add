"""Make the images that are not in the cache yet."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import certifi

from deployer.errors import MissingToolError
from deployer.progress import Progress, Step
from environments.embedded.toolchain import failures
from environments.embedded.toolchain.artefact import Artefact
from environments.embedded.toolchain.go import find_go, required_go
from environments.embedded.toolchain.provision import Toolchain, Tools
from environments.embedded.toolchain.store import Store
from environments.kind.offline import archive, bill, debian, distributions, inputs
from environments.kind.offline.archive import LayerFile
from environments.kind.offline.layer import Layer
from environments.kind.offline.programs import PROGRAMS
from environments.kind.offline.table import Recipe, Table

_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_PRELOADED = "/kind/images"
_ROOT_SECONDS = 80


@dataclass(frozen=True, slots=True)
class Image:
    """An image in the cache.

    Attributes:
        name: Its name in the table.
        reference: What it is asked for by.
        archive: What ``docker load`` and ``kind load image-archive`` take.
        bill: Its bill of materials.
    """

    name: str
    reference: str
    archive: Path
    bill: Path

    def exists(self) -> bool:
        """Tell whether it has been made."""
        return self.archive.exists()


class Builder:
    """A table of images, and the cache that holds what was made from it."""

    def __init__(self, cache: Path, table: Table, programs: Mapping[str, Artefact] = PROGRAMS) -> None:
        self.table = table
        self._programs = programs
        self._store = Store(cache)
        self._toolchain = Toolchain(cache, programs)

    def image(self, name: str) -> Image:
        """Return where an image is, or will be."""
        recipe = self.table.images[name]
        digest = inputs.image_digest(self.table, name, self._programs)
        tag = recipe.reference.rpartition(":")[2]
        entry = self._store.entry(f"image-{name}", tag, digest)
        return Image(name, recipe.reference, entry / "image.tar", entry / "bill.cdx.json")

    def build(self, progress: Progress, names: Collection[str]) -> list[Image]:
        """Make images, and all that they hold, where they are not in the cache.

        Raises:
            ConfigurationError: A name is unknown, the cache cannot be written, or root is needed.
            MissingToolError: A program that builds is missing, or failed.
        """
        order = self.table.order(names)
        missing = [name for name in order if not self.image(name).exists()]
        if missing:
            tools = self._toolchain.ensure(progress, inputs.needed_programs(self.table, missing))
            try:
                with self._store.exclusive(progress):
                    self._make_all(missing, tools, progress)
            except OSError as error:
                explained = failures.unusable(self._store, error)
                if explained is None:
                    raise
                raise explained from error
        return [self.image(name) for name in order]

    def _make_all(self, names: Collection[str], tools: Tools, progress: Progress) -> None:
        needed = max(required_go(artefact.directory) for artefact in self._programs.values())
        go = find_go(needed, self._store, progress)
        for name in names:
            # Another run may have made it while this one waited.
            if not (image := self.image(name)).exists():
                self._make(image, tools, go, progress)

    def _make(self, image: Image, tools: Tools, go: Path, progress: Progress) -> None:
        recipe = self.table.images[image.name]
        root = self._root(recipe, progress) if recipe.packages else None
        started = time.monotonic()
        progress(Step(image.name, "started", recipe.reference))
        try:
            self._store.publish(image.archive.parent, lambda into: self._fill(image, into, root, tools, go))
        except BaseException as error:
            progress(Step(image.name, "failed", type(error).__name__))
            raise
        progress(Step(image.name, "done", f"{recipe.reference} in {time.monotonic() - started:.0f} s"))

    def _fill(self, image: Image, into: Path, root: Path | None, tools: Tools, go: Path) -> None:
        recipe = self.table.images[image.name]
        scratch = self._store.scratch / f"{image.name}.layer"
        layers = [LayerFile(root / "root.tar", (root / "sum").read_text())] if root else []
        layers.append(LayerFile(scratch, self._own_layer(recipe, tools).write(scratch)))
        configured = archive.configuration(recipe, layers, self.table.epoch)
        archive.write(
            into / image.archive.name, reference=recipe.reference, configured=configured, layers=layers
        )
        scratch.unlink()
        bill.write(
            into / image.bill.name,
            reference=recipe.reference,
            digest=inputs.image_digest(self.table, image.name, self._programs),
            epoch=self.table.epoch,
            go={module for name in recipe.programs for module in _modules(go, tools[name])},
            debian=_packages(root) if root else (),
            python=_pinned(recipe),
            images=[self.table.images[name].reference for name in recipe.images],
        )

    def _own_layer(self, recipe: Recipe, tools: Tools) -> Layer:
        layer = Layer(self.table.epoch)
        leave_out = distributions.leaves_out
        for name, path in recipe.python.items():
            layer.sources(self._distributions(name, recipe), below=path, leave_out=leave_out)
        for name, path in recipe.modules.items():
            layer.sources(inputs.module_directory(name), below=path, leave_out=leave_out)
        if recipe.files is not None:
            layer.sources(inputs.FILES / recipe.files)
        for name, path in recipe.programs.items():
            layer.file(path, tools[name], mode=0o755)
        if recipe.certificates:
            layer.file(_AUTHORITIES, Path(certifi.where()))
        for name in recipe.images:
            layer.file(f"{_PRELOADED}/{name}.tar", self.image(name).archive)
        return layer

    def _distributions(self, name: str, recipe: Recipe) -> Path:
        directory = self._store.scratch / f"python-{name}"
        shutil.rmtree(directory, ignore_errors=True)
        distributions.install(
            inputs.requirements(name),
            recipe.suite or self.table.debian.suite,
            directory,
            log=self._store.log("distributions"),
            cache=self._store.root,
        )
        return directory

    def _root(self, recipe: Recipe, progress: Progress) -> Path:
        """Make a Debian root where there is none, and return its entry."""
        digest = inputs.root_digest(self.table, recipe)
        entry = self._store.entry("debian", recipe.suite or self.table.debian.suite, digest)
        if entry.exists():
            return entry
        subject = f"Debian with {recipe.packages[0]}" + (", ..." if recipe.packages[1:] else "")
        progress(Step(subject, "started", f"about {_ROOT_SECONDS} s", 0.0))
        started = time.monotonic()
        self._store.publish(entry, lambda into: self._fill_root(recipe, into, _tick(subject, progress)))
        progress(Step(subject, "done", f"in {time.monotonic() - started:.0f} s"))
        return entry

    def _fill_root(self, recipe: Recipe, into: Path, tick: Callable[[float], None]) -> None:
        # Not in the entry: there everything becomes readable for all, and a system's modes are its own.
        root = self._store.scratch / "root"
        packages = debian.bootstrap(
            self.table.debian.model_copy(update={"suite": recipe.suite or self.table.debian.suite}),
            recipe.packages,
            root,
            epoch=self.table.epoch,
            log=self._store.log("debootstrap"),
            tick=tick,
        )
        layer = debian.as_layer(root, self.table.epoch, without=recipe.without)
        (into / "sum").write_text(layer.write(into / "root.tar"))
        (into / "packages.json").write_text(json.dumps([asdict(package) for package in packages], indent=2))
        shutil.rmtree(root)


def _pinned(recipe: Recipe) -> set[tuple[str, str]]:
    pinned = {("certifi", version("certifi"))} if recipe.certificates else set()
    for name in recipe.python:
        pinned.update(distributions.pinned(inputs.requirements(name).read_text(encoding="utf-8")))
    return pinned


def _packages(root: Path) -> list[debian.Package]:
    return [debian.Package(**each) for each in json.loads((root / "packages.json").read_text())]


def _modules(go: Path, program: Path) -> list[bill.GoModule]:
    answer = subprocess.run([go, "version", "-m", program], capture_output=True, text=True, check=False)
    found = bill.modules(answer.stdout)
    if not found:
        raise MissingToolError(
            str(program),
            expected="a Go program that tells what it was built from",
            seen=answer.stderr.strip() or "none of its modules",
            remedy="Remove it from the cache and build it again: mita images build.",
        )
    return found


def _tick(subject: str, progress: Progress) -> Callable[[float], None]:
    def tick(seconds: float) -> None:
        fraction = min(seconds / _ROOT_SECONDS, 0.99)
        progress(Step(subject, "progress", f"{seconds:.0f} s of about {_ROOT_SECONDS} s", fraction))

    return tick
