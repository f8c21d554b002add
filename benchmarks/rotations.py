"""Many forced rotations while 100 users work: what users notice of them, and how soon they are in use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from deployer.desired import PRODUCTION, read
from deployer.eventually import eventually
from deployer.rotation.record import Rotated
from deployer.rotation.rotator import Rotator
from environments.embedded.environment import EmbeddedEnvironment

ROTATIONS = 100
_SECRETS = ("database/primary", "auth/jwt-secret", "cache/redis-auth")
_USERS = 100
_LONGEST = 3600  # seconds
_LOCUSTFILE = Path(__file__).parent.parent / "loadtests" / "locustfile.py"


def measure(state: Path, count: int = ROTATIONS) -> Iterator[Figure]:
    """Rotate the critical secrets in turn under load, in the environment that runs.

    Args:
        state: Where the load's results are kept.
        count: How many rotations.

    Raises:
        RuntimeError: No environment runs, or the load ended early.
        NotReadyError: A rotation did not come to its end.
    """
    environment = EmbeddedEnvironment()
    if not environment.attach():
        raise RuntimeError("no environment runs")
    results = state / "load"
    with _users(environment.connections().endpoints.application, results) as load:
        began = time.perf_counter()
        done = [_rotate(environment, secret, state) for secret in islice(cycle(_SECRETS), count)]
        seconds = time.perf_counter() - began
        if load.poll() is not None:
            raise RuntimeError(f"the load ended with {load.returncode} before the rotations did")
    yield Figure("rotations under load", "rotations", [len(done)])
    yield Figure("a rotation under load, from asking to proof", "s", [seconds / count])
    yield from _noticed(json.loads((results / "summary.json").read_text()))
    yield _share("AWSCURRENT moved to the last pod", 0.5, done)
    yield _share("AWSCURRENT moved to the last pod", 0.95, done, wanted=2)
    yield _share("AWSCURRENT moved to the last pod", 1.0, done)


def _rotate(environment: EmbeddedEnvironment, secret: str, state: Path) -> Rotated:
    connections = environment.connections()
    return Rotator(
        connections, read(PRODUCTION), secret, locks=state / "locks", on_secret=lambda _name, _value: None
    ).rotate()


@contextmanager
def _users(base: str | None, results: Path) -> Iterator[subprocess.Popen[bytes]]:
    if base is None:
        raise RuntimeError("the environment does not say where the application answers")
    results.mkdir(parents=True)
    shape = ("--shape", "hold", "--open", str(_USERS), "--seconds", str(_LONGEST), "--credentials")
    command = (sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary")
    with (results / "locust.log").open("w") as log:
        load = subprocess.Popen(
            [*command, "--host", base, "--results", str(results), *shape],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=_LOCUSTFILE.parents[1],
        )
    try:
        intervals = results / "intervals.jsonl"
        eventually(
            lambda: None if intervals.exists() and intervals.stat().st_size else "no request is answered",
            subject="load",
            deadline=60,
            remedy=f"Read {results / 'locust.log'}.",
        )
        yield load
        load.send_signal(signal.SIGINT)  # at which Locust sums up
        load.wait(60)
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()


def _noticed(summary: dict[str, Any]) -> Iterator[Figure]:
    requests = summary["requests"]
    yield Figure("requests meanwhile", "requests", [sum(part["requests"] for part in requests.values())])
    yield Figure("of them failed", "requests", [sum(part["failed"] for part in requests.values())], wanted=0)
    for name, part in requests.items():
        yield Figure(f"p95 of {name}", "ms", [part["latency_ms"]["p95"]], wanted=500)


def _share(name: str, share: float, done: Sequence[Rotated], wanted: float | None = None) -> Figure:
    ordered = sorted(rotated.propagation for rotated in done)
    label = "slowest" if share == 1 else f"p{share:.0%}".rstrip("%")
    return Figure(f"{name}, {label}", "s", [ordered[max(0, round(share * len(ordered)) - 1)]], wanted=wanted)
