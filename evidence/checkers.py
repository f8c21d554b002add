"""Rules that a history must keep: pure functions from its entries to findings.

A rule that nothing was observed for is not kept: each checker then says so in a finding.
Where the state at a moment counts, it is what the last entry up to that moment says, all
entries of the same moment included.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from evidence.events import (
    CURRENT,
    CredentialProbe,
    Entry,
    FaultHealed,
    FaultInjected,
    LoadInterval,
    RequestFailed,
    StagingLabels,
    SteadyStateProbe,
)
from evidence.findings import Finding, events, finding
from evidence.timeline import merge

CLOCK_TOLERANCE = 0.25
"""Seconds by which the wall clock may be set during a run; propagation is told in seconds."""


def no_request_failed(history: Iterable[Entry]) -> tuple[Finding, ...]:
    """No request failed, and there were requests."""
    rule = "no request failed"
    history = merge(history)
    sent = sum(interval.count for _, interval in events(history, LoadInterval))
    found = [] if sent else [finding(rule, "No request was observed.")]
    reasons: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    unexplained: dict[str, int] = defaultdict(int)
    for entry, failed in events(history, RequestFailed):
        reasons[failed.load, failed.request, failed.reason].append(entry)
        unexplained[failed.load] -= failed.count
    for (load, request, reason), entries in reasons.items():
        count = sum(failed.count for _, failed in events(entries, RequestFailed))
        found.append(finding(rule, f"{_requests(count)} {request} of {load} failed: {reason}.", entries))
    failing: dict[str, list[Entry]] = defaultdict(list)
    for entry, interval in events(history, LoadInterval):
        if interval.failed:
            unexplained[interval.load] += interval.failed
            failing[interval.load].append(entry)
    for load, entries in failing.items():
        if (count := unexplained[load]) > 0:
            found.append(finding(rule, f"{_requests(count)} of {load} failed, nobody said why.", entries))
    return tuple(found)


def no_credential_gap(
    history: Iterable[Entry], *, consumers: Collection[str] = (), silence: float | None = None
) -> tuple[Finding, ...]:
    """There is no moment at which a consumer holds no credential that is accepted.

    Args:
        history: What was observed.
        consumers: Those that must have been probed.
        silence: Seconds that a consumer may go without a probe, from the first entry to the last.
    """
    rule = "no credential gap"
    history = merge(history)
    probes: dict[str, list[tuple[Entry, CredentialProbe]]] = defaultdict(list)
    for entry, probe in events(history, CredentialProbe):
        probes[probe.consumer].append((entry, probe))
    found = [finding(rule, f"No credential of {name} was tried.") for name in consumers if name not in probes]
    if not probes and not found:
        found.append(finding(rule, "No credential was tried."))
    for consumer, tried in probes.items():
        found += _gaps(rule, consumer, tried)
        if silence is not None:
            found += _silences(rule, consumer, [entry for entry, _ in tried], history, silence)
    return tuple(found)


def _gaps(rule: str, consumer: str, tried: list[tuple[Entry, CredentialProbe]]) -> Iterator[Finding]:
    accepted: dict[str, bool] = {}
    gap: list[Entry] = []
    for moment, group in itertools.groupby(tried, key=lambda pair: pair[0].at):
        entries = []
        for entry, probe in group:
            accepted[probe.login] = probe.accepted
            entries.append(entry)
        if not any(accepted.values()):
            gap += entries
        elif gap:
            yield finding(rule, f"{consumer} had no accepted credential for {moment - gap[0].at:.3f} s.", gap)
            gap = []
    if gap:
        yield finding(rule, f"{consumer} had no accepted credential, up to the end.", gap)


def _silences(
    rule: str, consumer: str, tried: list[Entry], history: tuple[Entry, ...], silence: float
) -> Iterator[Finding]:
    for before, after in itertools.pairwise([history[0], *tried, history[-1]]):
        if (length := after.at - before.at) > silence:
            yield finding(rule, f"No credential of {consumer} was tried for {length:.3f} s.", [before, after])


def one_current(history: Iterable[Entry], *, secrets: Collection[str] = ()) -> tuple[Finding, ...]:
    """Exactly one version of each secret is current whenever its labels were read.

    Args:
        history: What was observed.
        secrets: Those whose labels must have been read.
    """
    rule = f"exactly one {CURRENT}"
    read: dict[str, list[tuple[Entry, int]]] = defaultdict(list)
    for entry, seen in events(merge(history), StagingLabels):
        read[seen.secret].append((entry, len(seen.current)))
    found = [finding(rule, f"The labels of {name} were not read.") for name in secrets if name not in read]
    if not read and not found:
        found.append(finding(rule, "No labels were read."))
    for secret, observations in read.items():
        for count, group in itertools.groupby(observations, key=lambda pair: pair[1]):
            if count != 1:
                text = f"{secret} had {count or 'no'} version{'' if count == 0 else 's'} labelled {CURRENT}."
                found.append(finding(rule, text, [entry for entry, _ in group]))
    return tuple(found)


def steady_around_faults(history: Iterable[Entry]) -> tuple[Finding, ...]:
    """Each fault is healed, and the steady state holds before it and, in the end, after it.

    Faults that overlap count as one disturbance.  Every statement of the steady state that
    the history knows is asked for in each quiet time beside a disturbance; the last answer
    counts, so that a system may take its time to recover.
    """
    history = merge(history)
    course = _Disturbances()
    for entry in history:
        course.take(entry)
    found = [*course.found, *course.unhealed()]
    if not course.named:
        return (*found, finding(_STEADY, "No fault was injected."))
    statements = {probe.what for _, probe in events(history, SteadyStateProbe)}
    if not statements:
        return (*found, finding(_STEADY, "The steady state was never asked for."))
    for when, probes in course.quiet():
        found += _unsteady(statements, probes, when)
    return tuple(found)


def fault_healing(history: Iterable[Entry]) -> tuple[Finding, ...]:
    """Each fault is healed, and none twice: what holds of a whole run, whatever its scenarios ask."""
    course = _Disturbances()
    for entry in merge(history):
        course.take(entry)
    return (*course.found, *course.unhealed())


_STEADY = "steady state around faults"


class _Disturbances:
    """Tells the times with a fault from the quiet ones between them."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.named: list[list[str]] = []
        """The faults of each disturbance."""
        self._active: dict[str, tuple[Entry, str]] = {}
        self._quiet: list[list[tuple[Entry, SteadyStateProbe]]] = [[]]

    def take(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, FaultInjected):
            if event.fault in self._active:
                self.found.append(finding(_STEADY, f"{event.what} began twice without an end.", [entry]))
            if not self._active:
                self.named.append([])
                self._quiet.append([])
            self.named[-1].append(event.what)
            self._active[event.fault] = (entry, event.what)
        elif isinstance(event, FaultHealed):
            if self._active.pop(event.fault, None) is None:
                text = f"The fault {event.fault} was healed but never began."
                self.found.append(finding(_STEADY, text, [entry]))
        elif isinstance(event, SteadyStateProbe) and not self._active:
            self._quiet[-1].append((entry, event))

    def unhealed(self) -> Iterator[Finding]:
        for entry, what in self._active.values():
            yield finding(_STEADY, f"{what} was never healed.", [entry])

    def quiet(self) -> Iterator[tuple[str, list[tuple[Entry, SteadyStateProbe]]]]:
        """Yield each quiet time that has ended or that the history ends with, and what was asked in it."""
        names = [", ".join(dict.fromkeys(faults)) for faults in self.named]
        for number, probes in enumerate(self._quiet):
            if number == len(names) and self._active:
                return  # the end of the last disturbance is still to come
            after = [f"after {names[number - 1]}"] if number else []
            before = [f"before {names[number]}"] if number < len(names) else []
            yield " and ".join([*after, *before]), probes


def _unsteady(
    statements: Iterable[str], probes: list[tuple[Entry, SteadyStateProbe]], when: str
) -> Iterator[Finding]:
    last = {probe.what: (entry, probe) for entry, probe in probes}
    for what in sorted(statements):
        if what not in last:
            yield finding(_STEADY, f"Nobody asked whether it holds {when}: {what}.")
        elif not last[what][1].holds:
            detail = f" ({last[what][1].detail})" if last[what][1].detail else ""
            yield finding(_STEADY, f"It does not hold {when}: {what}{detail}.", [last[what][0]])


def steady_clock(history: Iterable[Entry], *, tolerance: float = CLOCK_TOLERANCE) -> tuple[Finding, ...]:
    """The wall clock was not set while the history was written, so its times can be compared."""
    rule = "steady clock"
    both = [(entry, entry.at - entry.monotonic) for entry in history if entry.monotonic is not None]
    if not both:
        return (finding(rule, "No entry carries both clocks."),)
    found: list[Finding] = []
    both.sort(key=lambda pair: pair[0].monotonic or 0.0)
    reference = both[0][1]
    for (before, _), (entry, offset) in itertools.pairwise(both):
        if abs(offset - reference) > tolerance:
            found.append(
                finding(rule, f"The wall clock was set by {offset - reference:+.3f} s.", [before, entry])
            )
            reference = offset
    return tuple(found)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
