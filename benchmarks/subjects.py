"""What is measured, and how."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import functions, load_generator, rotations
from benchmarks.aws_guard import guard
from benchmarks.figures import Figure
from environments.embedded.processes.sweep import stragglers

COLD_TOOLCHAIN = "cold-toolchain"
LOAD_GENERATOR = "load-generator"
NOT_BY_DEFAULT = (COLD_TOOLCHAIN, LOAD_GENERATOR)
"""What takes long, or needs a program that the project does not need."""

_GIB = float(1 << 30)
_SETTLE_SECONDS = 20.0


@dataclass(slots=True)
class Bench:
    """A state directory of its own, in which the commands run as a user's would.

    Attributes:
        state: The directory.
        rounds: How often a quick subject is measured.
    """

    state: Path
    rounds: int
    variables: Mapping[str, str] = field(default_factory=dict)

    def mita(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> float:
        """Run a command and return its seconds.

        Raises:
            RuntimeError: It ended with another code.
        """
        return self.run(sys.executable, "-m", "mita.cli", *arguments, codes=codes)

    def run(self, *argv: str, codes: tuple[int, ...] = (0,)) -> float:
        """Run a program and return its seconds.

        Raises:
            RuntimeError: It ended with another code.
        """
        began = time.perf_counter()
        done = subprocess.run(argv, env=self.environment(), capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode not in codes:
            raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return seconds

    def environment(self) -> dict[str, str]:
        """Return what the commands find in their environment."""
        ours = {"MITA_STATE": str(self.state), "PYTHONDONTWRITEBYTECODE": ""}
        return {**os.environ, **ours, **self.variables}


def _warm_up(bench: Bench) -> Iterator[Figure]:
    ups, downs = [], []
    for _ in range(bench.rounds):
        ups.append(bench.mita("up"))
        downs.append(bench.mita("down"))
    yield Figure("mita up, warm", "s", ups, wanted=15)
    yield Figure("mita down", "s", downs)


def _deployed(bench: Bench) -> Iterator[Figure]:
    bench.mita("up")
    try:
        yield Figure("mita deploy, from nothing", "s", [bench.mita("deploy", "--rehearse", "--yes")])
        plans = [bench.mita("plan") for _ in range(bench.rounds)]
        yield Figure("mita plan, nothing to do", "s", plans, wanted=3)
        yield from _smoke(bench)
        yield from _idle(bench)
    finally:
        bench.mita("down")


def _smoke(bench: Bench) -> Iterator[Figure]:
    run = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "production-smoke",
        f"--report-dir={bench.state}/smoke",
    )
    yield Figure("smoke run, warm", "s", [bench.run(*run) for _ in range(bench.rounds)], wanted=30)


def _idle(bench: Bench) -> Iterator[Figure]:
    manifest = json.loads((bench.state / "embedded" / "default" / "environment.json").read_text())
    host = psutil.Process(manifest["pid"])
    processes = [host, *stragglers(manifest["run_id"])]
    # What settles is the machine itself: the figure is its mean over this time, not a wait for something.
    before = {process.pid: _processor_seconds(process) for process in processes}
    began = time.perf_counter()
    time.sleep(_SETTLE_SECONDS)
    seconds = time.perf_counter() - began
    used = sum(_processor_seconds(process) - before[process.pid] for process in processes)
    yield Figure("processor, idle with the application", "cores", [used / seconds])
    memory = sum(process.memory_full_info().pss for process in processes) / _GIB
    yield Figure("memory, idle with the application", "GiB", [memory], wanted=1.3)


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _functions(bench: Bench) -> Iterator[Figure]:
    with _environment(bench):
        yield from functions.measure(bench.rounds)


def _rotations(bench: Bench) -> Iterator[Figure]:
    with _environment(bench, deployed=True):
        yield from rotations.measure(bench.state / "rotations")


def _load_generator(bench: Bench) -> Iterator[Figure]:
    with _environment(bench, deployed=True):
        yield from load_generator.measure(bench.state / "generators", bench.rounds)


@contextmanager
def _environment(bench: Bench, *, deployed: bool = False) -> Iterator[None]:
    """Have an environment run for the length of a block, which finds it."""
    bench.mita("up")
    try:
        if deployed:
            bench.mita("deploy", "--rehearse", "--yes")
        with _here(bench):
            yield
    finally:
        bench.mita("down")


@contextmanager
def _here(bench: Bench) -> Iterator[None]:
    """Have environments looked for in the bench's state directory."""
    before = os.environ.get("MITA_STATE")
    os.environ["MITA_STATE"] = str(bench.state)
    try:
        yield
    finally:
        os.environ.pop("MITA_STATE") if before is None else os.environ.update(MITA_STATE=before)


def _accept(bench: Bench) -> Iterator[Figure]:
    yield Figure("mita accept, warm", "s", [bench.mita("accept", codes=(0, 3))], wanted=90)


def _cold_toolchain(bench: Bench) -> Iterator[Figure]:
    cache = bench.state / "cache"
    caches = {"GOCACHE": "go-build", "GOMODCACHE": "go-mod", "UV_CACHE_DIR": "uv"}
    cold = Bench(
        bench.state,
        1,
        {"MITA_CACHE": str(cache), **{name: str(cache / directory) for name, directory in caches.items()}},
    )
    seconds = cold.run(sys.executable, "-m", "environments.embedded.toolchain")
    yield Figure("toolchain, from empty caches", "s", [seconds], wanted=900)


def _aws_guard(bench: Bench) -> Iterator[Figure]:
    yield from guard(bench.state, bench.rounds)


SUBJECTS: Mapping[str, Callable[[Bench], Iterator[Figure]]] = {
    "warm-up": _warm_up,
    "deployed": _deployed,
    "functions": _functions,
    "rotations": _rotations,
    LOAD_GENERATOR: _load_generator,
    "accept": _accept,
    "aws-guard": _aws_guard,
    COLD_TOOLCHAIN: _cold_toolchain,
}
