"""Places to build in, and a Go that can be watched and held."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from deployer.progress import Step
from environments.embedded.toolchain.provision import Toolchain, Tools
from tests.toolchain import hello

_GO = shutil.which("go")
_DEADLINE = 60.0


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {_DEADLINE} s: {what}"
        time.sleep(0.02)


@dataclass
class WatchedGo:
    """Stands before the real Go on PATH: notes every call, and holds builds while told to."""

    directory: Path

    @property
    def _calls(self) -> Path:
        return self.directory / "calls"

    @property
    def _hold(self) -> Path:
        return self.directory / "hold"

    def install(self) -> None:
        script = self.directory / "go"
        script.write_text(
            f"#!/bin/sh\necho $$ $1 >> {self._calls}\n"
            f'[ "$1" = build ] && while [ -e {self._hold} ]; do sleep 0.05; done\n'
            f'exec {_GO} "$@"\n'
        )
        script.chmod(0o755)
        self._calls.touch()

    def hold(self) -> None:
        self._hold.touch()

    def let_go(self) -> None:
        self._hold.unlink()

    def builds(self) -> list[int]:
        """Return the pids of all builds until now."""
        calls = (line.split() for line in self._calls.read_text().splitlines())
        return [int(pid) for pid, command in calls if command == "build"]


@dataclass
class Room:
    """A cache, a module to build, and what was reported."""

    cache: Path
    module: Path
    go: WatchedGo
    steps: list[Step] = field(default_factory=list)

    def ensure(self, **changes: object) -> Tools:
        program = hello.program(self.module, **changes)
        return Toolchain(self.cache, {program.name: program}).ensure(self.steps.append, [program.name])

    def start_other(self) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.toolchain.driver", str(self.cache), str(self.module)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def start_held(self) -> tuple[subprocess.Popen[str], int]:
        """Start another run, and return it with the pid of its build, which is held."""
        self.go.hold()
        other = self.start_other()
        eventually(lambda: bool(self.go.builds()), "a build has begun")
        return other, self.go.builds()[-1]

    def entries(self) -> list[str]:
        """Return the names of what the cache holds, whole or in parts."""
        names = [path.name for path in (self.cache / "toolchain").iterdir()]
        return [name for name in names if "hello" in name]


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="session")
def go_caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Go's caches, shared so that the standard library is compiled once."""
    return tmp_path_factory.mktemp("go")


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> str:
    if _GO is None:
        pytest.skip("there is no Go on PATH to build with")
    return hello.make_proxy(tmp_path_factory.mktemp("proxy"))


@pytest.fixture(scope="session")
def pinned(tmp_path_factory: pytest.TempPathFactory, proxy: str, go_caches: Path) -> Path:
    directory = tmp_path_factory.mktemp("pinned") / "module"
    hello.make_module(directory, proxy, go_caches / "modules")
    return directory


@pytest.fixture
def room(pinned: Path, proxy: str, go_caches: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    # pytest's own directories are closed to other users; the cache must not be.
    with tempfile.TemporaryDirectory(prefix="toolchain-") as name:
        root = Path(name)
        root.chmod(0o755)
        cache = root / "cache"
        cache.mkdir(mode=0o755)
        (cache / "go").symlink_to(go_caches)
        shutil.copytree(pinned, root / "module")
        go = WatchedGo(root / "bin")
        go.directory.mkdir()
        go.install()
        monkeypatch.setenv("PATH", f"{go.directory}:/usr/bin:/bin")
        monkeypatch.setenv("GOPROXY", proxy)
        monkeypatch.setenv("GOSUMDB", "off")
        monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
        yield Room(cache, root / "module", go)
