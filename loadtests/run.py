"""One load run inside Locust: from samples in each process to a verdict in the first."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.profiles import CI, GUIDE, Profile, hold, steady
from loadtests.results import INTERVALS_FILE, SUMMARY_FILE, IntervalFile, describe, summary_of
from loadtests.samples import Interval, Recorder, summarise
from loadtests.schedule import ArrivalSchedule, Immediately
from loadtests.thresholds import judge, parse

BREACHED = 3
"""Exit code of a run that breached a threshold; 1 stays Locust's own for failed requests."""

_SHARE = "mita-arrival-share"
"""Message from the master: how many arrivals each second are this worker's."""

_SAMPLES = "mita-samples"
"""Message from a worker: the intervals that it closed, and its late and missed sends so far."""

_END = "mita-end"
"""Message from the master: stop now, and hand over your last samples.

Locust tells its workers to stop only after its own ``test_stop``, when the verdict is due.
"""

_LAST_SAMPLES = 10.0
"""Seconds that the master waits for its workers' last samples."""

_SPEAK_EVERY = 5
"""Seconds between two lines of progress."""


def profile_from(options: argparse.Namespace) -> Profile:
    """Return the profile that the command line names."""
    if options.shape == "steady":
        return steady(options.rate, options.seconds, options.open)
    if options.shape == "hold":
        return hold(options.open, options.seconds)
    return {"guide": GUIDE, "ci": CI}[options.shape]


class Run:
    """The state of one load run in one process: a worker, a master, or both in one.

    Attributes:
        recorder: Takes the samples of this process.
        profile: The shape of the load.
        uses_credentials: Whether users also send the request that uses the database and the cache.
    """

    def __init__(
        self, environment: Environment, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Make the run of this process and subscribe it to Locust's events.

        Raises:
            MitaError: A threshold or the profile cannot be used.
        """
        options = environment.parsed_options
        assert options is not None, "Locust parses its command line before it fires init"  # noqa: S101
        self.recorder = Recorder()
        self._schedule: ArrivalSchedule | Immediately = Immediately(clock)
        self._scheduled = Event()
        self._clock, self._sleep = clock, sleep
        self._environment = environment
        self.profile = profile_from(options)
        self.uses_credentials: bool = options.credentials
        self._thresholds = [parse(text) for text in options.threshold]
        self._purpose: str = options.purpose
        self._directory = Path(options.results) if options.results else None
        self._file: IntervalFile | None = None
        self._intervals: list[Interval] = []
        self._sends: dict[str, tuple[int, int]] = {}
        self._began = 0.0
        self._workers = 0
        self._finished: set[str] = set()
        self._complete = Event()
        environment.events.test_start.add_listener(self._start)  # type: ignore[no-untyped-call]  # Locust
        environment.events.test_stop.add_listener(self._stop)  # type: ignore[no-untyped-call]  # Locust
        if isinstance(environment.runner, WorkerRunner):
            environment.runner.register_message(_SHARE, self._take_share)
            environment.runner.register_message(_END, self._end)
        elif isinstance(environment.runner, MasterRunner):
            environment.runner.register_message(_SAMPLES, self._take_samples)

    def _start(self, **_: object) -> None:
        self._began = time.time()
        runner = self._environment.runner
        if not isinstance(runner, WorkerRunner):
            self._intervals, self._sends, self._finished = [], {}, set()
            self._complete.clear()
            if self._directory is not None:
                self._file = IntervalFile(self._directory / INTERVALS_FILE)
            if isinstance(runner, MasterRunner):
                self._workers = max(1, runner.worker_count)
            rate = self.profile.rate
            if rate is not None and isinstance(runner, MasterRunner):
                runner.send_message(_SHARE, {"rate": rate / self._workers})
            elif rate is not None:
                self._arrive_at(rate)
        gevent.spawn(self._follow)

    def _take_share(self, msg: Any, **_: object) -> None:  # noqa: ANN401  Locust's message is untyped
        self._arrive_at(float(msg.data["rate"]))

    def _arrive_at(self, rate: float) -> None:
        self._schedule = ArrivalSchedule(rate, clock=self._clock, sleep=self._sleep)
        self._scheduled.set()

    def due(self) -> float:
        """Wait until this process' next request is due and return that moment, in seconds of the clock."""
        if self.profile.rate is not None:
            # A worker's users can be there before the master's word on its share of the arrivals.
            self._scheduled.wait()
        return self._schedule.next()

    def _follow(self) -> None:
        """Hand closed seconds over as they come, and say how the run goes."""
        spoken = time.time()
        runner = self._environment.runner
        while runner is not None and runner.state not in {"stopping", "stopped"}:
            gevent.sleep(1)
            now = time.time()
            self._hand_over(before=now)
            if now - spoken >= _SPEAK_EVERY and not isinstance(runner, WorkerRunner):
                self._speak(since=spoken)
                spoken = now

    def _hand_over(self, before: float = float("inf"), missed: int = 0, *, last: bool = False) -> None:
        intervals = self.recorder.drain(before)
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            rows = [asdict(interval) for interval in intervals]
            data = {"intervals": rows, "late": self._schedule.late, "missed": missed, "last": last}
            runner.send_message(_SAMPLES, data)
        elif not isinstance(runner, MasterRunner):
            self._keep("local", intervals, self._schedule.late, missed)

    def _take_samples(self, msg: Any, **_: object) -> None:  # noqa: ANN401  Locust's message is untyped
        intervals = [Interval(**interval) for interval in msg.data["intervals"]]
        self._keep(msg.node_id, intervals, msg.data["late"], msg.data["missed"])
        if msg.data["last"]:
            self._finished.add(msg.node_id)
            if len(self._finished) >= self._workers:
                self._complete.set()

    def _keep(self, sender: str, intervals: list[Interval], late: int, missed: int) -> None:
        self._intervals += intervals
        self._sends[sender] = (late, missed)
        if self._file is not None:
            self._file.append(intervals)

    def _speak(self, since: float) -> None:
        recent = summarise(i for i in self._intervals if i.second + 1 >= since)
        p95 = recent.percentile(95)
        latency = "no samples yet" if p95 is None else f"p95 {p95 * 1000:.1f} ms"
        users = self._environment.runner.user_count if self._environment.runner else 0
        elapsed = time.time() - self._began
        sys.stderr.write(
            f"load {elapsed:.0f} of {self.profile.seconds:.0f} s: {users} users, {recent.count} requests, "
            f"{latency}, {recent.failed} failed\n"
        )

    def _stop(self, **_: object) -> None:
        """Close the run; the master waits for the last samples of every worker."""
        runner = self._environment.runner
        self._hand_over(missed=self._schedule.missed(self._clock()), last=True)
        if isinstance(runner, MasterRunner):
            runner.send_message(_END)
            if not self._complete.wait(_LAST_SAMPLES):
                lacking = self._workers - len(self._finished)
                sys.stderr.write(f"load: {lacking} workers ended without handing over their last samples\n")
        if not isinstance(runner, WorkerRunner):
            self._conclude()

    def _end(self, **_: object) -> None:
        if self._environment.runner is not None:
            gevent.spawn(self._environment.runner.stop)

    def _conclude(self) -> None:
        seconds = time.time() - self._began
        late = sum(late for late, _ in self._sends.values())
        missed = sum(missed for _, missed in self._sends.values())
        verdicts = judge(self._thresholds, self._intervals, seconds=seconds, missed=missed)
        summary = summary_of(
            self._intervals,
            verdicts,
            profile=self.profile.name,
            purpose=self._purpose,
            seconds=seconds,
            late=late,
            missed=missed,
        )
        if self._file is not None and self._directory is not None:
            self._file.close()
            text = json.dumps(summary, indent=2) + "\n"
            (self._directory / SUMMARY_FILE).write_text(text, encoding="utf-8")
        sys.stderr.write(describe(summary))
        # Failed requests are judged by thresholds where there are any, else by Locust's own rule.
        if self._thresholds:
            self._environment.process_exit_code = 0 if summary["passed"] else BREACHED
