"""The load generator beside k6: the same requests at the same rate, and what each costs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from environments.embedded.environment import EmbeddedEnvironment
from loadtests.process import LOCUSTFILE
from loadtests.results import SUMMARY_FILE

_RATE = 200  # arrivals each second, of two requests each
_SECONDS = 20
_OPEN = 100
_REQUESTS = ("health", "auth")
_MICROSECONDS = 1e6
# The guide's two requests, at a constant arrival rate.
_K6_SCRIPT = """
import http from 'k6/http';
export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ['p(95)'],
  thresholds: { 'http_req_duration{name:health}': [], 'http_req_duration{name:auth}': [] },
  scenarios: { steady: { executor: 'constant-arrival-rate', rate: %(rate)d, timeUnit: '1s',
    duration: '%(seconds)ds', preAllocatedVUs: %(open)d } },
};
const base = __ENV.BASE;
const auth = { headers: { 'Content-Type': 'application/json' }, tags: { name: 'auth' } };
export default function () {
  http.get(base + '/health', { tags: { name: 'health' } });
  http.post(base + '/api/auth/test', '{"test": true}', auth);
}
"""


@dataclass(frozen=True, slots=True)
class _Result:
    p95: Mapping[str, float]  # milliseconds by request
    requests: int
    processor: float  # seconds

    @property
    def cost(self) -> float:
        return self.processor / self.requests * _MICROSECONDS


def measure(state: Path, rounds: int) -> Iterator[Figure]:
    """Offer the application the same load with both generators in turn.

    Args:
        state: Where results are kept.
        rounds: How often each works.

    Raises:
        RuntimeError: k6 is not there, no environment runs, or a generator failed.
    """
    k6 = os.environ.get("MITA_K6") or shutil.which("k6")
    if k6 is None:
        raise RuntimeError(
            "k6 is wanted as a yardstick: expected on PATH or in MITA_K6, seen in neither; "
            "get it with `go install go.k6.io/k6@v1.8.1`"
        )
    environment = EmbeddedEnvironment()
    if not environment.attach() or (base := environment.connections().endpoints.application) is None:
        raise RuntimeError("no environment runs, or nothing is deployed in it")
    state.mkdir(parents=True, exist_ok=True)
    ours, theirs = [], []
    for number in range(rounds):
        theirs.append(_k6(k6, base, state / f"k6-{number}"))
        ours.append(_locust(base, state / f"locust-{number}"))
    for name in _REQUESTS:
        mine, other = ([each.p95[name] for each in results] for results in (ours, theirs))
        yield Figure(f"p95 of {name} by Locust", "ms", mine, wanted=max(min(other) + 2, min(other) * 1.05))
        yield Figure(f"p95 of {name} by k6", "ms", other)
    yield Figure("processor time for a request, Locust", "us", [each.cost for each in ours])
    yield Figure("processor time for a request, k6", "us", [each.cost for each in theirs])


def _locust(base: str, results: Path) -> _Result:
    shape = ("--shape", "steady", "--rate", str(_RATE), "--seconds", str(_SECONDS), "--open", str(_OPEN))
    command = (sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary")
    processor = _run(*command, "--host", base, "--results", str(results), *shape)
    requests = json.loads((results / SUMMARY_FILE).read_text())["requests"]
    return _Result(
        {name: requests[name]["latency_ms"]["p95"] for name in _REQUESTS},
        sum(part["requests"] for part in requests.values()),
        processor,
    )


def _k6(k6: str, base: str, results: Path) -> _Result:
    results.mkdir()
    script, summary = results / "steady.js", results / "summary.json"
    script.write_text(_K6_SCRIPT % {"rate": _RATE, "seconds": _SECONDS, "open": _OPEN})
    processor = _run(
        k6, "run", "--quiet", "--no-usage-report", "-e", f"BASE={base}", "--summary-export", str(summary),
        str(script),
    )  # fmt: skip
    metrics = json.loads(summary.read_text())["metrics"]
    return _Result(
        {name: metrics[f"http_req_duration{{name:{name}}}"]["p(95)"] for name in _REQUESTS},
        metrics["http_reqs"]["count"],
        processor,
    )


def _run(*command: str) -> float:
    """Run a generator to its end and return the processor seconds that it took."""
    before = _children_seconds()
    done = subprocess.run(
        command,
        cwd=LOCUSTFILE.parents[1],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return _children_seconds() - before


def _children_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)
