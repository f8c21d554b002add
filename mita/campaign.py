"""A campaign: random schedules struck while people work, watched, and ended by what goes too far."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from hypothesis import HealthCheck, Phase, given, seed, settings
from pydantic import SecretStr

from deployer.desired import PRODUCTION, read
from deployer.errors import MitaError, RefusedError
from environments.embedded.locations import deployment_directory
from environments.protocol import Environment
from evidence.experiment import Status, journal
from evidence.model import write_atomically
from evidence.observation import Observation
from evidence.redaction import SHORTEST, Redactor
from faults.leftovers import leftovers_of
from loadtests.process import Load
from steps.campaign import Blow, Schedule, save, schedules, strike
from steps.faults_by_name import FAULTS
from steps.steady import READY, probe_steady_state
from steps.steady_watch import Patience, SteadyWatch
from steps.system import Candidate, System

SCHEDULE_FILE = "schedule.json"
JOURNAL_FILE = "journal.json"
_FAILED = 3
_USERS, _VISITS, _LONGEST = "100", "40", "7200"


class ScheduleError(Exception):
    """A schedule failed."""


class AbortedError(KeyboardInterrupt):
    """The campaign went too far; like Ctrl-C it goes through everything and undoes what it passes."""


class Campaign:
    """Schedules struck until a budget is used up, one of them fails, or something goes too far.

    Args:
        place: Where.
        directory: For the timeline, the load's results, the journal and a schedule that fails.
        faults: How many at most.
        seconds: For how long at most.
        patience: Seconds that the application may be unready at a stretch.
        kinds: The faults that may be drawn.
    """

    def __init__(
        self,
        place: Environment,
        directory: Path,
        *,
        faults: int,
        seconds: float,
        patience: float = 60.0,
        kinds: Collection[str] = FAULTS.keys(),
    ) -> None:
        self._place = place
        self._directory = directory
        self._faults = faults
        self._end = time.monotonic() + seconds
        self._patience = patience
        self._kinds = kinds
        self._struck = 0
        self._failed: Schedule | None = None
        self._findings: list[str] = []
        self._aborted: str | None = None
        self._redactor = Redactor()
        self._state = deployment_directory(place.name)
        self._system = self._new_system()
        self._observation = Observation(directory, self._redactor.redact)
        self._began = self._observation.timeline.now()
        self._base = self._system.connections.endpoints.application

    def _new_system(self) -> System:
        candidate = Candidate(self._place.connections(), read(PRODUCTION), supplied={})
        return System(self._place, candidate, receipts=self._state, on_secret=self._on_secret)

    def _on_secret(self, name: str, value: SecretStr) -> None:
        if len(value.get_secret_value()) >= SHORTEST:
            self._redactor.register(name, value)

    def heal_leftovers(self) -> None:
        """Heal the faults that a killed run left, before anything is added to them.

        Raises:
            MitaError: One cannot be healed.
        """
        for what in leftovers_of(self._state).heal(self._system.connections):
            click.echo(f"A fault of an earlier run was healed: {what}", err=True)

    @contextmanager
    def people_at_work(self) -> Iterator[None]:
        """Have people at work for the length of the block."""
        if self._base is None:
            raise RefusedError(
                "chaos",
                expected="an application that people work with",
                seen="none is deployed",
                remedy="Deploy it: mita deploy --rehearse",
            )
        shape = ("--shape", "steady", "--rate", _VISITS, "--open", _USERS, "--seconds", _LONGEST)
        load_run = Load(self._base, self._directory / "load", *shape, "--credentials")
        try:
            load_run.await_requests()
            yield
            load_run.stop()
        finally:
            load_run.kill()

    def run(self, longest: int, number: int) -> None:
        """Strike random schedules; the first that fails is made as small as it can be."""
        click.echo(f"Seed {number}")

        @seed(number)
        @settings(
            max_examples=self._faults,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(schedules(longest, self._kinds))
        def one(schedule: Schedule) -> None:
            if not self._over:
                self.attempt(schedule)

        with contextlib.suppress(ScheduleError, AbortedError):
            one()

    def replay(self, schedule: Schedule) -> None:
        """Strike one schedule only."""
        with contextlib.suppress(ScheduleError, AbortedError):
            self.attempt(schedule)

    def attempt(self, schedule: Schedule) -> None:
        """Strike one schedule.

        Raises:
            ScheduleError: It failed, and is kept.
            AbortedError: It went too far, was undone, and is kept.
        """
        watch = self._watch()
        try:
            with _aborting(), watch:
                found = [each.text for each in strike(self._system, self._observation, schedule, self._tell)]
        except AbortedError:
            self._aborted = watch.reason or "It was stopped."
            found = [self._aborted]
        except (MitaError, AssertionError) as error:
            found = [str(error)]
        if found:
            self._failed, self._findings = schedule, found
            save(schedule, self._directory / SCHEDULE_FILE)
            click.echo(f"    failed: {' '.join(found)}", err=True)
            raise AbortedError if self._aborted else ScheduleError

    def _watch(self) -> SteadyWatch:
        own = self._new_system()  # threads do not share clients
        main = threading.main_thread()

        def stop() -> None:
            if main.ident is not None:
                signal.pthread_kill(main.ident, signal.SIGUSR1)

        return SteadyWatch(
            lambda: probe_steady_state(own, self._observation.timeline), Patience(READY, self._patience), stop
        )

    @property
    def _over(self) -> bool:
        # One that failed is made smaller whatever the budget says.
        return self._failed is None and (self._struck >= self._faults or time.monotonic() >= self._end)

    def _tell(self, blow: Blow) -> None:
        self._struck += 1
        click.echo(f"{self._struck:4}  {blow.secret} is rotated while {blow.fault}", err=True)

    def write_journal(self, status: Status, repeated_by: Collection[str]) -> Path:
        """Write what happened in the form of Chaos Toolkit's journal."""
        timeline = self._observation.timeline
        made = journal(
            self._observation.history(since=self._began),
            began=self._began,
            ended=timeline.now(),
            status=status,
            findings=self._findings,
            repeated_by=tuple(repeated_by),
        )
        text = self._redactor.redact(json.dumps(made, indent=1))
        return write_atomically(self._directory / JOURNAL_FILE, text + "\n")

    @property
    def status(self) -> Status:
        """How it ended."""
        return "aborted" if self._aborted else "completed"

    def tell_end(self) -> None:
        """Say what came of it, and end the process with 3 if a schedule failed."""
        if self._failed is None and not self._struck:
            click.echo("Nothing was struck.")
            return
        self._show_figures()
        if self._failed is None:
            click.echo(f"{self._struck} faults struck, each was healed, no credential was lost.")
            click.echo(f"Timeline and journal: {self._directory}")
            return
        if self._aborted:
            click.echo(f"Stopped at once, and the fault in hand healed: {self._aborted}")
        click.echo(f"A schedule of {len(self._failed)} failed.")
        click.echo(f"Strike it again: mita chaos --replay {self._directory / SCHEDULE_FILE}")
        sys.exit(_FAILED)

    def _show_figures(self) -> None:
        """Show how each kind was felt and got over, in seconds: the median, and the most."""
        for kind in self._observation.observed().disturbances:
            felt, healed, well = (_span(each) for each in (kind.felt, kind.lasted, kind.steady))
            click.echo(f"{kind.count:4}  {kind.what}: felt {felt}, healed {healed}, well again {well}")


def _span(figures: tuple[float, float] | None) -> str:
    return "never" if figures is None else f"{figures[0]:.1f} s (at most {figures[1]:.1f})"


@contextmanager
def _aborting() -> Iterator[None]:
    """Have a signal raise `AbortedError` in the main thread, whatever that waits for."""
    before = signal.signal(signal.SIGUSR1, _abort)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def _abort(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise AbortedError
