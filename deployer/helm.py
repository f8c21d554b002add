"""The Helm program: releases installed, upgraded and read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.connections import HelmChart
from deployer.errors import MissingToolError, MitaError
from deployer.parent_death import end_with_parent

RESERVE = 30.0  # seconds beyond Helm's own time-out before the program itself is given up
READ_TIMEOUT = 60.0


class HelmError(MitaError):
    """Helm ended with an error."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release as Helm knows it.

    Attributes:
        revision: Counts up with every upgrade and rollback.
        status: `deployed` when all went well; `pending-...` while under way or cut off.
        description: What the upgrade was described with.
        manifest: The rendered objects, as YAML.
    """

    revision: int
    status: str
    description: str
    manifest: str


class Helm:
    """Helm, working on one cluster."""

    def __init__(self, program: Path, *, kubeconfig: Path, context: str) -> None:
        self._program = program
        self._target = ("--kubeconfig", str(kubeconfig), "--kube-context", context)

    def version(self) -> tuple[int, int, int]:
        """Ask Helm for its version.

        Raises:
            MissingToolError: It is not there, or does not say.
        """
        try:
            answer = self._run(("version", "--template", "{{.Version}}"), READ_TIMEOUT).stdout
        except OSError as error:
            seen = error.strerror or type(error).__name__
        else:
            found = re.match(r"v(\d+)\.(\d+)(?:\.(\d+))?", answer)
            if found:
                return int(found[1]), int(found[2]), int(found[3] or 0)
            seen = f"no version: {answer.strip()[:80]!r}"
        raise MissingToolError(
            f"Helm ({self._program})",
            expected="a program that tells its version",
            seen=seen,
            remedy="Install Helm, or name it.",
        )

    def release(self, name: str, namespace: str) -> Release | None:
        """Read a release's newest revision; None when there is none."""
        done = self._run(("status", name, "-n", namespace, "-o", "json", *self._target), READ_TIMEOUT)
        if done.returncode != 0:
            if "release: not found" in done.stderr:
                return None
            raise _failure(f"Helm release {name}", done)
        data: dict[str, Any] = json.loads(done.stdout)
        info = data["info"]
        return Release(data["version"], info["status"], info.get("description", ""), data.get("manifest", ""))

    def upgrade(
        self,
        name: str,
        namespace: str,
        chart: HelmChart,
        values: Mapping[str, Any],
        *,
        description: str,
        timeout: int,
    ) -> None:
        """Install or upgrade a release and wait until its workloads are available.

        Args:
            name: The release's name.
            namespace: Its namespace, made where it is not there.
            chart: The chart.
            values: Its values; they travel in a file that only the owner can read.
            description: Kept in the release.
            timeout: Seconds that Helm waits.

        Raises:
            HelmError: Helm failed or did not end in time.
        """
        with tempfile.TemporaryDirectory(prefix="mita-helm-") as directory:
            file = Path(directory) / "values.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(values), encoding="utf-8")
            arguments = (
                *("upgrade", "--install", name, *_chart_arguments(chart)),
                *("--namespace", namespace, "--create-namespace", "--values", str(file)),
                *("--description", description, "--wait", f"--timeout={timeout}s", *self._target),
            )
            done = self._run(arguments, timeout + RESERVE)
        if done.returncode != 0:
            raise _failure(f"Helm release {name}", done)

    def _run(self, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))
        }
        try:
            return subprocess.run(
                (str(self._program), *arguments),
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
                # Helm ends with us; what it leaves pending is taken up again.
                preexec_fn=end_with_parent,
            )
        except subprocess.TimeoutExpired as error:
            raise HelmError(
                f"helm {arguments[0]}",
                expected=f"an end within {timeout:g} s",
                seen="none",
                remedy="Look at the cluster's events, then run the same command again.",
            ) from error


def _chart_arguments(chart: HelmChart) -> tuple[str, ...]:
    version = ("--version", chart.version) if chart.version else ()
    repository = ("--repo", chart.repository) if chart.repository else ()
    return (chart.reference, *version, *repository)


def _failure(subject: str, done: subprocess.CompletedProcess[str]) -> HelmError:
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("W")]
    return HelmError(
        subject,
        expected="Helm to succeed",
        seen=f"exit {done.returncode}: {' '.join(lines)[-600:] or 'no message'}",
        remedy="Look at the pods and events of its namespace, then run the same command again.",
    )


def chart_digest(chart: HelmChart, values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a chart and its values; it changes whenever what they render could.

    A chart that is a directory counts with all its files, another with its reference and version.
    """
    content = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    root = Path(chart.reference)
    if root.is_dir():
        for file in sorted(each for each in root.rglob("*") if each.is_file()):
            content.update(
                f"\0{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest()
            )
    else:
        content.update(f"\0{chart.reference}\0{chart.version}\0{chart.repository}".encode())
    return content.hexdigest()


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others, mapping by mapping."""
    result = dict(values)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result
