"""Chaos: what goes wrong while people work and credentials rotate, and that it was mended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from botocore.exceptions import ClientError
from pytest_bdd import then, when

from deployer.errors import NotReadyError
from deployer.rotation.record import Hop, Kind, Rotated
from evidence import checkers
from evidence.events import (
    Entry,
    FaultFelt,
    FaultHealed,
    FaultInjected,
    History,
    RequestFailed,
)
from evidence.findings import Finding, Hold, events, finding
from evidence.observation import Observation
from evidence.timeline import Timeline
from faults.contract import Fault
from faults.injection import Injection
from faults.leftovers import leftovers_of
from faults.servers import ConnectionsCut, Frozen, Restarted
from loadtests.process import Load
from steps.faults_by_name import FAULTS
from steps.parameters import phrase
from steps.probes import Probes
from steps.rotating import consumers, is_pending, rotate
from steps.steady import await_steady_state
from steps.system import System

# What happens in a moment, and so in the midst of a rotation.
_SUDDEN = (Restarted, Frozen, ConnectionsCut)
_LATE = "requests fail only while something is wrong"
_A_SECOND = 1.0  # load is told by the second


class TimelineJournal:
    """Takes down faults in the run's timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def injected(self, fault: str, what: str) -> None:
        """Take down that a fault begins."""
        self._timeline.append(FaultInjected(fault=fault, what=what))

    def felt(self, fault: str) -> None:
        """Take down that somebody felt it."""
        self._timeline.append(FaultFelt(fault=fault))

    def healed(self, fault: str) -> None:
        """Take down that it is over."""
        self._timeline.append(FaultHealed(fault=fault))


def rotate_through(system: System, timeline: Timeline, secret: str, fault: Fault) -> Rotated:
    """Rotate a secret while something goes wrong, which is mended once it was felt.

    A rotation that the fault makes fail is resumed after it, as somebody would who was called.
    """
    users = consumers(system, secret)

    injection = Injection(fault, TimelineJournal(timeline), leftovers_of(system.receipts))

    def follow(hop: Hop) -> None:
        if not injection.begun and hop.kind in (Kind.STEP, Kind.CURRENT):
            disturbed.enter_context(injection)
        if hop.kind is Kind.CURRENT:  # what follows is the operator's part, so it is made to try
            users.nudge()
            injection.end_when_felt()

    with ExitStack() as disturbed:
        if not isinstance(fault, _SUDDEN):
            disturbed.enter_context(injection)
        try:
            return rotate(system, timeline, secret, observe=follow, bound=None)
        except (NotReadyError, ClientError):
            users.nudge()
            injection.end_when_felt()
    return rotate(system, timeline, secret, resume=is_pending(system, secret), bound=None)


@when(
    phrase("the secret {secret:Quoted} is rotated while {fault:Chaos}", Chaos=FAULTS),
    target_fixture="rotated",
)
def _rotated_while(
    system: System, timeline: Timeline, began: float, secret: str, fault: str
) -> Sequence[Rotated]:
    del began  # what follows is what counts
    await_steady_state(system, timeline)
    with Probes(system, timeline, servers_stay=False):
        done = rotate_through(system, timeline, secret, FAULTS[fault](system, secret))
        await_steady_state(system, timeline)
    return [done]


# ---- judged


@then("the system was steady before, and is again")
def _steady_again(observation: Observation, hold: Hold, began: float) -> None:
    history = observation.history(since=began)
    hold("The steady state holds around faults", history, checkers.steady_around_faults(history))


@then(
    phrase(
        "at most {share:d} of 100 requests failed, and none later than {seconds:d} seconds after it was over"
    )
)
def _failed_meanwhile(history: History, load: Load, hold: Hold, share: int, seconds: int) -> None:
    parts = load.summary()["requests"].values()
    sent, failed = (sum(part[name] for part in parts) for name in ("requests", "failed"))
    assert sent, "nobody was at work"
    hold("Requests fail only while something is wrong", history, late_failures(history, seconds))
    assert failed * 100 <= share * sent, f"{failed} of {sent} requests failed"


def late_failures(history: Iterable[Entry], seconds: float) -> Iterable[Finding]:
    """Find requests that failed when nothing was wrong, nor had been within some seconds before."""
    history = tuple(history)
    ends = {healed.fault: entry.at for entry, healed in events(history, FaultHealed)}
    spans = [
        (entry.at - _A_SECOND, ends.get(injected.fault, float("-inf")) + seconds)
        for entry, injected in events(history, FaultInjected)
    ]
    if not spans or any(end == float("-inf") for _, end in spans):
        yield finding(_LATE, "No fault was injected and healed.")
        return
    for entry, failed in events(history, RequestFailed):
        if not any(begin <= entry.at <= end for begin, end in spans):
            yield finding(_LATE, f"{failed.request}: {failed.reason}.", [entry])
