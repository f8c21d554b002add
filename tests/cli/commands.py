"""Running the `mita` command as its users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SECONDS = 180
_LABELS = ("failed ", "expected ", "seen ", "to do ")


@dataclass(frozen=True)
class Mita:
    """The command, with a state directory of the test's own.

    Attributes:
        state: Where its environments lie.
        variables: What its environment has besides.
    """

    state: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401  as Popen takes them
        return subprocess.Popen(
            [sys.executable, "-m", "mita.cli", *arguments],
            env={**os.environ, "MITA_STATE": str(self.state), **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def root(self, name: str = "default") -> Path:
        return self.state / "embedded" / name

    def manifest(self, name: str = "default") -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.root(name) / "environment.json").read_text())
        return manifest

    def host(self, name: str = "default") -> psutil.Process:
        return psutil.Process(self.manifest(name)["pid"])


def failure_labels(errors: str) -> list[str]:
    """Return the labels of the lines that a failure is explained in."""
    return [line[:9].strip() for line in errors.splitlines() if line.startswith(_LABELS)]
