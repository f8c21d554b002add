"""The guide's load test (phase 7, step 3) for Locust.

On its own, with Locust's web page::

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8000 --shape guide

Without it, on two processes, with thresholds and a result directory::

    locust -f loadtests/locustfile.py --headless --processes 2 --host http://127.0.0.1:8000 \
        --shape steady --rate 200 --seconds 60 --threshold 'p95 < 500 ms' --results load-results

On several machines, the second line on each of the two that send; all options are the master's::

    locust -f loadtests/locustfile.py --headless --master --expect-workers 2 --host http://127.0.0.1:8000 \
        --shape steady --rate 2000 --seconds 60 --threshold 'p95 < 500 ms' --results load-results
    locust -f loadtests/locustfile.py --worker --master-host MASTER
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from locust import FastHttpUser, LoadTestShape, events, task
from locust.env import Environment

from deployer.errors import MitaError
from loadtests.profiles import NAMES
from loadtests.run import Run

_RUN: Run | None = None


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # untyped in Locust
def _arguments(parser: Any, **_: object) -> None:  # noqa: ANN401  Locust's parser is untyped
    group = parser.add_argument_group("Secret management load test")
    group.add_argument("--shape", choices=NAMES, default="ci", help="shape of the load")
    group.add_argument("--rate", type=float, default=100.0, help="steady: arrivals each second")
    group.add_argument("--seconds", type=float, default=60.0, help="steady, hold: length")
    group.add_argument(
        "--open", type=int, default=100, help="steady: most requests open at once; hold: number of users"
    )
    group.add_argument(
        "--credentials",
        action="store_true",
        help="also ask /health/ready, which uses database and cache; the guide's own requests use neither",
    )
    group.add_argument(
        "--threshold", action="append", default=[], help="what has to hold, e.g. 'p95 < 500 ms'; repeatable"
    )
    group.add_argument("--purpose", default="", help="what the run is for; its report shows it as a title")
    group.add_argument("--results", default="", help="directory for intervals.jsonl and summary.json")


@events.init.add_listener  # type: ignore[untyped-decorator]  # untyped in Locust
def _begin(environment: Environment, **_: object) -> None:
    global _RUN  # noqa: PLW0603  Locust hands its users no object of ours
    try:
        _RUN = Run(environment, clock=time.perf_counter, sleep=gevent.sleep)
    except (MitaError, ValueError) as error:
        raise SystemExit(f"load test not started: {error}") from None


def _run() -> Run:
    assert _RUN is not None, "Locust calls init before it starts users or the shape"  # noqa: S101
    return _RUN


class GuideShape(LoadTestShape):
    """The stages of the chosen profile."""

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users for this moment, and how fast to get there."""
        elapsed: float = self.get_run_time()  # type: ignore[no-untyped-call]  # untyped in Locust
        users = _run().profile.users_at(elapsed)
        return None if users is None else (users, 1000.0)


class MitaUser(FastHttpUser):
    """A user of MITA who asks for the health page and signs in, as in the guide's script."""

    connection_timeout = 10.0
    network_timeout = 10.0

    @task
    def visit(self) -> None:
        """Wait for the next arrival, then send the two requests of the guide's script."""
        due = _run().due()
        self._send("health", due, "GET", "/health", accept=200)
        # The second request has no moment of its own: it is due when the first one is answered.
        self._send("auth", time.perf_counter(), "POST", "/api/auth/test", body={"test": True})
        if _run().uses_credentials:
            self._send("ready", time.perf_counter(), "GET", "/health/ready", accept=200)

    def _send(
        self,
        name: str,
        due: float,
        method: str,
        path: str,
        *,
        accept: int | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        with self.client.request(method, path, name=name, catch_response=True, json=body) as response:
            ended = time.perf_counter()
            failure = _failure(response, accept)
            if failure is None:
                response.success()
            else:
                response.failure(failure)
        _run().recorder.record(time.time(), name, ended - due, failure)


def _failure(response: Any, accept: int | None) -> str | None:  # noqa: ANN401  untyped in Locust
    """Say why a response is not what the guide's checks want, or None."""
    if response.status_code == 0:
        return f"no answer: {type(response.error).__name__}"
    if accept is not None and response.status_code != accept:
        return f"status {response.status_code}, wanted {accept}"
    if response.status_code >= 500:  # noqa: PLR2004  the guide's own limit for the sign-in
        return f"status {response.status_code}, wanted below 500"
    return None
