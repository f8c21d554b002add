"""A kind cluster for tests."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from environments.kind.offline.builder import Image
from environments.kind.offline.table import TABLE

CONFIGURATION = TABLE.parents[1] / "cluster.yaml"
_SECONDS = 300


@dataclass(frozen=True)
class Cluster:
    """A cluster of kind's, by name.

    Attributes:
        name: Its name.
        kind: The program.
        kubectl: The program.
        directory: Takes the kubeconfig and, when the creation fails, kind's logs.
    """

    name: str
    kind: Path
    kubectl: Path
    directory: Path

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def create(self, node: Image) -> None:
        """Create the cluster of `cluster.yaml` with a worker more, so that pods have to find other nodes."""
        run(["docker", "load", "--input", str(node.archive)])
        document = yaml.safe_load(CONFIGURATION.read_text())
        document["nodes"].append({"role": "worker"})
        configuration = self.directory / "cluster.yaml"
        configuration.write_text(yaml.safe_dump(document))
        try:
            self._kind(
                "create",
                "cluster",
                "--image",
                node.reference,
                "--config",
                str(configuration),
                "--wait=120s",
                "--retain",
            )
        except AssertionError:
            # It gathers what it can; there is no crictl on the node, for which it ends with an error.
            with contextlib.suppress(AssertionError):
                self._kind("export", "logs", str(self.directory / "logs"))
            raise

    def delete(self) -> None:
        self._kind("delete", "cluster")

    def load(self, image: Image) -> None:
        run([str(self.kind), "load", "image-archive", str(image.archive), "--name", self.name])

    def kubectl_(self, *arguments: str, given: str | None = None) -> str:
        return run([str(self.kubectl), f"--kubeconfig={self.kubeconfig}", *arguments], given=given)

    def get(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.kubectl_("get", "--output=json", *arguments))
        return answer

    def _kind(self, *arguments: str) -> None:
        more = [] if arguments[0] == "export" else [f"--kubeconfig={self.kubeconfig}"]
        run([str(self.kind), *arguments, "--name", self.name, *more])


def run(argv: Sequence[str], *, given: str | None = None) -> str:
    """Run a program to its end, and return what it wrote; what it complains about is shown."""
    done = subprocess.run(argv, input=given, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
