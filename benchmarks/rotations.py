"""Many forced rotations while 100 users work: what users notice of them, and how soon they are in use."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from deployer.desired import PRODUCTION, read
from deployer.rotation.record import Rotated
from deployer.rotation.rotator import Rotator
from environments.embedded.environment import EmbeddedEnvironment
from loadtests.process import Load
from loadtests.results import SUMMARY_FILE

ROTATIONS = 100
_SECRETS = ("database/primary", "auth/jwt-secret", "cache/redis-auth")
_USERS = 100
_LONGEST = 3600  # seconds


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
        if load.exit_code is not None:
            raise RuntimeError(f"the load ended with {load.exit_code} before the rotations did")
    yield Figure("rotations under load", "rotations", [len(done)])
    yield Figure("a rotation under load, from asking to proof", "s", [seconds / count])
    yield from _noticed(json.loads((results / SUMMARY_FILE).read_text()))
    yield _share("AWSCURRENT moved to the last pod", 0.5, done)
    yield _share("AWSCURRENT moved to the last pod", 0.95, done, wanted=2)
    yield _share("AWSCURRENT moved to the last pod", 1.0, done)


def _rotate(environment: EmbeddedEnvironment, secret: str, state: Path) -> Rotated:
    connections = environment.connections()
    return Rotator(
        connections, read(PRODUCTION), secret, locks=state / "locks", on_secret=lambda _name, _value: None
    ).rotate()


@contextmanager
def _users(base: str | None, results: Path) -> Iterator[Load]:
    if base is None:
        raise RuntimeError("the environment does not say where the application answers")
    shape = ("--shape", "hold", "--open", str(_USERS), "--seconds", str(_LONGEST), "--credentials")
    load = Load(base, results, *shape)
    try:
        load.await_requests()
        yield load
        load.stop()
    finally:
        load.kill()


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
