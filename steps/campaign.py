"""Random schedules of rotations and faults: made, struck, judged by their history, kept to be replayed."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from deployer.errors import ConfigurationError
from deployer.files import replace_atomically
from evidence import checkers
from evidence.findings import Finding
from evidence.observation import Observation
from steps.chaos import late_failures, rotate_through
from steps.faults_by_name import FAULTS
from steps.probes import ROTATED, Probes
from steps.steady import await_steady_state
from steps.system import System

_RECOVERY_SECONDS = 15.0  # in which requests may still fail after the last fault


@dataclass(frozen=True, slots=True)
class Blow:
    """One secret is rotated while one thing goes wrong.

    Attributes:
        secret: Name below the prefix.
        fault: Its name among `FAULTS`.
    """

    secret: str
    fault: str


type Schedule = tuple[Blow, ...]


def schedules(longest: int, faults: Collection[str] = FAULTS.keys()) -> SearchStrategy[Schedule]:
    """Return what makes schedules of one to some blows, with these faults only."""
    blow = strategies.builds(
        Blow, secret=strategies.sampled_from(ROTATED), fault=strategies.sampled_from(sorted(faults))
    )
    return strategies.lists(blow, min_size=1, max_size=longest).map(tuple)


def save(schedule: Schedule, file: Path) -> None:
    """Keep a schedule so that it can be struck again."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_atomically(file, json.dumps([asdict(blow) for blow in schedule], indent=1))


def load(file: Path) -> Schedule:
    """Read a schedule.

    Raises:
        ConfigurationError: The file holds none.
    """
    try:
        schedule = tuple(Blow(**each) for each in json.loads(file.read_text(encoding="utf-8")))
        unknown = [each for each in schedule if each.fault not in FAULTS or each.secret not in ROTATED]
        seen = (
            f"{unknown[0].secret}, {unknown[0].fault}" if unknown else "nothing in it" if not schedule else ""
        )
    except (OSError, ValueError, TypeError) as error:
        seen, schedule = type(error).__name__, ()
    if seen:
        raise ConfigurationError(
            str(file),
            expected="a list of secrets and faults, as a campaign keeps it",
            seen=seen,
            remedy="Name the schedule.json of a campaign that failed.",
        )
    return schedule


def strike(
    system: System, observation: Observation, schedule: Sequence[Blow], tell: Callable[[Blow], None]
) -> tuple[Finding, ...]:
    """Strike blow after blow, wait until all is well again after each, and judge the history.

    Args:
        system: The system, with people at work.
        observation: Takes down what is seen.
        schedule: The blows.
        tell: Told of each before it is struck.

    Raises:
        MitaError: A rotation did not come to its end even after its fault, or all did not become well.
    """
    timeline = observation.timeline
    began = timeline.now()
    await_steady_state(system, timeline)
    with Probes(system, timeline, servers_stay=False) as probes:
        for blow in schedule:
            tell(blow)
            rotate_through(system, timeline, blow.secret, FAULTS[blow.fault](system, blow.secret))
            probes.begin_session()
            await_steady_state(system, timeline)
    history = observation.history(since=began)
    return (
        *checkers.no_credential_gap(history, consumers=Probes.CONSUMERS),
        *checkers.one_current(history, secrets=[blow.secret for blow in schedule]),
        *checkers.steady_around_faults(history),
        *late_failures(history, _RECOVERY_SECONDS),
    )
