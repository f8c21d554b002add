"""The Go programs of the images and of kind itself, built by the embedded environment's toolchain.

What both environments need alike, etcd and the operator, is the toolchain's own entry:
it is built once.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

from environments.embedded.toolchain.artefact import Artefact, pinned_version
from environments.embedded.toolchain.catalogue import CATALOGUE, kubernetes_stamps
from environments.embedded.toolchain.program import Program

_GO = Path(__file__).with_name("go")


@dataclass(frozen=True, kw_only=True)
class OwnProgram(Program):
    """A program whose main package lies here: one file beside its ``go.mod``.

    Attributes:
        release: Its version where no module's version is that.
    """

    release: str | None = None

    @functools.cached_property
    def version(self) -> str:
        """The release, or the version that ``go.mod`` pins."""
        return self.release or pinned_version(self.directory, self.module)

    def recipe(self) -> list[str]:
        """Return the source too."""
        return [*super().recipe(), (self.directory / "main.go").read_text()]


def _shared(name: str) -> Artefact:
    artefact = CATALOGUE[name]
    # One from PATH may need libraries that an image lacks.
    return dataclasses.replace(artefact, ask=None) if isinstance(artefact, Program) else artefact


def _kubernetes(name: str, *, seconds: int) -> Program:
    return Program(
        name=name,
        directory=_GO / "kubernetes",
        module="k8s.io/kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        stamps=kubernetes_stamps(),
        # Never one from PATH or of the embedded control plane: it would be of another version.
        ask=None,
        seconds=seconds,
    )


_PROGRAMS: tuple[Artefact, ...] = (
    *(_shared(name) for name in ("etcd", "external-secrets", "prometheus", "promtool", "alertmanager")),
    _kubernetes("kube-apiserver", seconds=215),
    _kubernetes("kube-controller-manager", seconds=65),
    _kubernetes("kube-scheduler", seconds=5),
    _kubernetes("kube-proxy", seconds=10),
    _kubernetes("kubelet", seconds=40),
    _kubernetes("kubeadm", seconds=15),
    _kubernetes("kubectl", seconds=15),
    OwnProgram(
        name="coredns",
        directory=_GO / "coredns",
        module="github.com/coredns/coredns",
        package="mita.invalid/kind/coredns",
        seconds=60,
    ),
    OwnProgram(
        name="pause",
        directory=_GO / "pause",
        module="mita.invalid/kind/pause",
        package="mita.invalid/kind/pause",
        release="v1.0.0",
        seconds=2,
    ),
    Program(
        name="kind",
        directory=_GO / "kind",
        module="sigs.k8s.io/kind",
        package="sigs.k8s.io/kind",
        ask=("version",),
        seconds=5,
    ),
)

PROGRAMS = {artefact.name: artefact for artefact in _PROGRAMS}
