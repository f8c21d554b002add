"""Find every program that is wanted, and build those that are nowhere."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import ConfigurationError, MissingToolError
from deployer.progress import Progress, Step
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import failures
from environments.embedded.toolchain.artefact import Artefact
from environments.embedded.toolchain.catalogue import CATALOGUE
from environments.embedded.toolchain.go import Workshop, find_go, required_go
from environments.embedded.toolchain.program import Program
from environments.embedded.toolchain.store import Store

ALL: tuple[str, ...] = tuple(CATALOGUE)

_ASSETS = "KUBEBUILDER_ASSETS"


class Tools(Mapping[str, Path]):
    """Absolute paths by name: of programs, and of the operator's chart.

    The chart, ``operator_chart``, is a directory that ``helm install`` takes.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)

    def __getitem__(self, name: str) -> Path:
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"Tools({self._paths!r})"

    @property
    def operator_chart(self) -> Path:
        """Directory of the operator's Helm chart."""
        return self._paths["operator_chart"]


@dataclass(frozen=True, slots=True)
class Found:
    """Where an artefact is.

    Attributes:
        path: The program, or the chart's directory.
        where: ``KUBEBUILDER_ASSETS``, ``cache`` or ``PATH``.
    """

    path: Path
    where: str


def ensure(progress: Progress, tools: Collection[str] = ALL) -> Tools:
    """Find or build what an embedded environment consists of.

    Taken, in this order: from the directory that ``KUBEBUILDER_ASSETS`` names, from the
    cache, from PATH in exactly the version that is pinned; else built into the cache.

    Args:
        progress: Receives what is passed over, and every build's seconds.
        tools: Names; ``ALL`` lists those that there are.

    Raises:
        ConfigurationError: A name is unknown, or the cache cannot be written.
        MissingToolError: ``KUBEBUILDER_ASSETS`` has another version, Go is missing, or a
            build failed.
    """
    return Toolchain(cache_directory()).ensure(progress, tools)


class Toolchain:
    """A catalogue, and the cache that holds what was made from it.

    Attributes:
        catalogue: What can be made, by name, in the order in which it is made.
    """

    def __init__(self, cache: Path, catalogue: Mapping[str, Artefact] = CATALOGUE) -> None:
        self.catalogue = catalogue
        self._store = Store(cache)

    def ensure(self, progress: Progress, tools: Collection[str]) -> Tools:
        """Do what the module's ``ensure`` says, with this catalogue and cache."""
        unknown = sorted(set(tools) - set(self.catalogue))
        if unknown:
            raise ConfigurationError(
                "toolchain",
                expected=f"names among {', '.join(self.catalogue)}",
                seen=", ".join(unknown),
                remedy="Correct the name.",
            )
        found = {name: self.locate(name, progress) for name in tools}
        missing = [name for name in self.catalogue if name in found and found[name] is None]
        if missing:
            self._make(missing, progress)
        return Tools({name: each.path if each else self._cached(name) for name, each in found.items()})

    def locate(self, name: str, progress: Progress) -> Found | None:
        """Say where an artefact is, or None if it has to be made.

        Args:
            name: The artefact's.
            progress: Told of a program on PATH that is passed over, and why.

        Raises:
            MissingToolError: ``KUBEBUILDER_ASSETS`` has it in another version.
        """
        artefact = self.catalogue[name]
        # Only what can be asked for its version is taken from elsewhere.
        program = artefact if isinstance(artefact, Program) and artefact.ask is not None else None
        if program is not None and (path := _in_assets(program)) is not None:
            return Found(path, _ASSETS)
        if (cached := self._cached(name)).exists():
            return Found(cached, "cache")
        if program is not None and (path := _on_path(program, progress)) is not None:
            return Found(path, "PATH")
        return None

    def _cached(self, name: str) -> Path:
        artefact = self.catalogue[name]
        return self._store.entry(name, artefact.version, artefact.digest) / name

    def _make(self, names: Collection[str], progress: Progress) -> None:
        try:
            with self._store.exclusive(progress):
                # Another run may have made them while this one waited.
                missing = [self.catalogue[name] for name in names if not self._cached(name).exists()]
                if missing:
                    self._make_all(missing, progress)
        except OSError as error:
            explained = failures.unusable(self._store, error)
            if explained is None:
                raise
            raise explained from error

    def _make_all(self, artefacts: Collection[Artefact], progress: Progress) -> None:
        if (free := failures.free_gib(self._store.root)) < failures.ROOM_GIB:
            remark = (
                f"{free:.1f} GiB free in {self._store.root}; from nothing, {failures.ROOM_GIB} are needed"
            )
            progress(Step("toolchain", "progress", remark))
        needed = max(required_go(artefact.directory) for artefact in self.catalogue.values())
        workshop = Workshop(find_go(needed, self._store, progress), self._store, progress)
        # One after another: one build keeps two cores busy except while it links (35 s of 590
        # in all), and two at once compile twice what they share: etcd beside helm took 318 s
        # of processor time where one after the other took 303 s, and ended no sooner.
        for artefact in artefacts:
            self._make_one(artefact, workshop, progress)

    def _make_one(self, artefact: Artefact, workshop: Workshop, progress: Progress) -> None:
        started = time.monotonic()
        about = f"{artefact.version}, about {artefact.seconds} s if from nothing"
        progress(Step(artefact.name, "started", about, 0.0))
        try:
            self._store.publish(
                self._cached(artefact.name).parent, lambda into: artefact.make(workshop, into)
            )
        except BaseException as error:
            progress(Step(artefact.name, "failed", type(error).__name__))
            raise
        progress(Step(artefact.name, "done", f"in {time.monotonic() - started:.0f} s", 1.0))


def _in_assets(program: Program) -> Path | None:
    directory = os.environ.get(_ASSETS)
    if not directory:
        return None
    path = Path(directory).absolute() / program.name
    if not path.exists():
        return None
    version = program.installed_version(path)
    if version != program.version:
        # Whoever sets the variable means these programs: do not quietly take others.
        raise MissingToolError(
            program.name,
            expected=f"version {program.version} in {_ASSETS}",
            seen=f"{path} of {_named(version)}",
            remedy=f"Put {program.version} there, or unset {_ASSETS}: what is missing is then built.",
        )
    return path


def _on_path(program: Program, progress: Progress) -> Path | None:
    found = shutil.which(program.name)
    if found is None:
        return None
    version = program.installed_version(Path(found))
    if version == program.version:
        return Path(found).absolute()
    remark = f"{found} passed over: {_named(version)}, not {program.version}"
    progress(Step(program.name, "progress", remark))
    return None


def _named(version: str | None) -> str:
    return "no version that it tells" if version is None else f"version {version}"
