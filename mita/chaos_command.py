"""``mita chaos``: a campaign of random schedules."""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from hypothesis import HealthCheck, Phase, given, seed, settings
from pydantic import SecretStr

from deployer.desired import PRODUCTION, read
from deployer.errors import MitaError, RefusedError
from environments.embedded.locations import deployment_directory
from environments.protocol import Capability, Environment
from evidence.observation import Observation
from evidence.redaction import SHORTEST, Redactor
from loadtests.process import Load
from mita.options import attached, authorise_option, environment_options, require_changes_allowed
from steps.campaign import Blow, Schedule, load, save, schedules, strike
from steps.faults_by_name import FAULTS
from steps.system import Candidate, System

_REPORTS = Path("reports")
_FILE = "schedule.json"
_FAILED = 3
_USERS, _VISITS, _LONGEST = "100", "40", "7200"


@click.command(
    epilog="""\b
Examples:
  mita chaos                               20 faults in random schedules, about two minutes
  mita chaos --faults 500 --seed 7         a campaign that can be repeated
  mita chaos --replay reports/chaos-.../schedule.json
  mita chaos --dry-run                     what might happen, and nothing done

\b
People are at work meanwhile.  Exits with 3 when a credential was lost, a fault was not
healed, or requests failed long after; the smallest schedule that does it is kept.
"""
)
@environment_options
@click.option("--faults", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--longest", type=click.IntRange(min=1), default=4, show_default=True, help="In one schedule.")
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="At most.")
@click.option("--seed", "number", type=int, help="Seed of the schedules; printed if left out.")
@click.option("--replay", type=click.Path(path_type=Path, dir_okay=False), help="Strike this schedule only.")
@click.option("--dry-run", is_flag=True, help="Say what might happen.")
@authorise_option
def chaos(
    *,
    environment: str,
    config: Path | None,
    faults: int,
    longest: int,
    minutes: float,
    number: int | None,
    replay: Path | None,
    dry_run: bool,
    authorise: str | None,
) -> None:
    """Let things go wrong at random while credentials rotate and people work."""
    replayed = load(replay) if replay else None
    if dry_run:
        _describe(replayed, faults)
        return
    place = attached(environment, config, authorise=authorise)
    require_changes_allowed(place, "mita chaos")
    if Capability.DISRUPTIONS not in place.capabilities:
        raise RefusedError(
            f"chaos in {place.name}",
            expected="an environment whose servers may be broken",
            seen="one that offers no disruptions",
            remedy="Use the embedded environment: mita up",
        )
    directory = _REPORTS / f"chaos-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    directory.mkdir(parents=True)
    campaign = Campaign(place, directory, faults=faults, seconds=minutes * 60)
    with campaign.people_at_work():
        if replayed is not None:
            with contextlib.suppress(ScheduleError):
                campaign.attempt(replayed)
        else:
            campaign.run(longest, secrets.randbits(32) if number is None else number)
    campaign.tell_end()


def _describe(replayed: Schedule | None, faults: int) -> None:
    if replayed is not None:
        for blow in replayed:
            click.echo(f"{blow.secret} is rotated while {blow.fault}")
        return
    click.echo(f"Up to {faults} times one of three secrets is rotated while one of these holds:")
    for name in FAULTS:
        click.echo(f"  {name}")


class Campaign:
    """Schedules struck until a budget is used up or one of them fails.

    Args:
        place: Where.
        directory: For the timeline, the load's results and a schedule that fails.
        faults: How many at most.
        seconds: For how long at most.
    """

    def __init__(self, place: Environment, directory: Path, *, faults: int, seconds: float) -> None:
        self._directory = directory
        self._faults = faults
        self._end = time.monotonic() + seconds
        self._struck = 0
        self._failed: Schedule | None = None
        redactor = Redactor()

        def on_secret(name: str, value: SecretStr) -> None:
            if len(value.get_secret_value()) >= SHORTEST:
                redactor.register(name, value)

        desired, connections = read(PRODUCTION), place.connections()
        state = deployment_directory(place.name)
        candidate = Candidate(connections, desired, supplied={})
        self._system = System(place, candidate, receipts=state, on_secret=on_secret)
        self._observation = Observation(directory, redactor.redact)
        self._base = connections.endpoints.application

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
        @given(schedules(longest))
        def one(schedule: Schedule) -> None:
            if not self._over:
                self.attempt(schedule)

        with contextlib.suppress(ScheduleError):
            one()

    def attempt(self, schedule: Schedule) -> None:
        """Strike one schedule.

        Raises:
            ScheduleError: It failed, and is kept.
        """
        try:
            found = [each.text for each in strike(self._system, self._observation, schedule, self._tell)]
        except (MitaError, AssertionError) as error:
            found = [str(error)]
        if found:
            self._failed = schedule
            save(schedule, self._directory / _FILE)
            click.echo(f"    failed: {' '.join(found)}", err=True)
            raise ScheduleError

    @property
    def _over(self) -> bool:
        # One that failed is made smaller whatever the budget says.
        return self._failed is None and (self._struck >= self._faults or time.monotonic() >= self._end)

    def _tell(self, blow: Blow) -> None:
        self._struck += 1
        click.echo(f"{self._struck:4}  {blow.secret} is rotated while {blow.fault}", err=True)

    def tell_end(self) -> None:
        """Say what came of it, and end the process with 3 if a schedule failed."""
        if self._failed is None and not self._struck:
            click.echo("Nothing was struck.")
            return
        if self._failed is None:
            click.echo(f"{self._struck} faults struck, each was healed, no credential was lost.")
            click.echo(f"Timeline: {self._directory}")
            return
        click.echo(f"A schedule of {len(self._failed)} failed.")
        click.echo(f"Strike it again: mita chaos --replay {self._directory / _FILE}")
        sys.exit(_FAILED)


class ScheduleError(Exception):
    """A schedule failed."""
