"""The checkers against statements that look at every moment, one by one."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import event, given, settings
from hypothesis import strategies as st

from evidence.checkers import no_credential_gap, one_current, steady_around_faults
from evidence.convergence import Consumer, converged
from evidence.events import (
    ConsumerEnded,
    CredentialInUse,
    CredentialProbe,
    Entry,
    Event,
    FaultHealed,
    FaultInjected,
    RotationStep,
    StagingLabels,
    SteadyStateProbe,
)
from evidence.findings import Finding
from tests.evidence.histories import at, fingerprint, labels, probe, uses

LAST = 12
moments = st.integers(0, LAST)


def histories(*events: st.SearchStrategy[Event], size: int = 14) -> st.SearchStrategy[list[Entry]]:
    """Return histories in order of time, with several entries of one moment among them."""
    entries = st.builds(at, moments, st.one_of(events))
    return st.lists(entries, max_size=size).map(lambda found: sorted(found, key=lambda entry: entry.at))


def sampled() -> Iterator[float]:
    """Yield every moment at which anything can differ: entries and bounds are whole numbers."""
    return (half / 2 for half in range(2 * LAST + 1))


def note(found: tuple[Finding, ...]) -> None:
    event("finds something" if found else "finds nothing")


# ---- a credential at every moment

PROBES = histories(
    st.builds(
        lambda consumer, login, accepted: probe(consumer, accepted=accepted, login=login),
        st.sampled_from(["pod", "cron"]),
        st.sampled_from(["old", "new"]),
        st.sampled_from([True, True, True, False]),
    )
)


def without_credential(history: list[Entry], consumer: str, moment: float) -> bool:
    said = {
        probe.login: probe.accepted
        for entry in history
        if entry.at <= moment
        and isinstance(probe := entry.event, CredentialProbe)
        and probe.consumer == consumer
    }
    return bool(said) and True not in said.values()


@settings(max_examples=400)
@given(PROBES)
def test_credential_gaps_are_those_of_every_moment(history: list[Entry]) -> None:
    if not history:
        return
    found = no_credential_gap(history)
    note(found)

    beginnings = {
        (consumer, moment)
        for consumer in ("pod", "cron")
        for moment in sampled()
        if without_credential(history, consumer, moment)
        and not without_credential(history, consumer, moment - 0.5)
    }
    assert sorted((each.text.split()[0], each.at) for each in found) == sorted(beginnings)


# ---- exactly one current version

LABELS = histories(
    st.builds(
        lambda secret, current: labels(secret, *current, other=("v9",)),
        st.sampled_from(["a", "b"]),
        st.sets(st.sampled_from(["v1", "v2"]), max_size=2),
    )
)


@given(LABELS)
def test_every_reading_with_another_number_of_current_versions_is_in_a_finding(history: list[Entry]) -> None:
    if not history:
        return
    found = one_current(history)
    note(found)

    wrong = [
        entry
        for entry in history
        if isinstance(entry.event, StagingLabels)
        and sum("AWSCURRENT" in version.labels for version in entry.event.versions) != 1
    ]
    assert bool(found) == bool(wrong)
    shown = [entry for each in found for entry in each.entries]
    assert all(entry in wrong for entry in shown)
    assert all(each.at == each.entries[0].at for each in found)


# ---- consumers follow

VERSIONS = st.sampled_from(["v1", "v2", "v3"])
MOVING = histories(
    st.builds(lambda version: labels("a", version), VERSIONS),
    st.builds(lambda version: RotationStep(secret="a", token=version, step="finishSecret"), VERSIONS),
    st.builds(lambda value: uses("pod", value), VERSIONS),
    st.builds(lambda value: uses("pod", value), VERSIONS),
    st.just(ConsumerEnded(consumer="pod")),
)


def current(history: list[Entry], moment: float) -> str | None:
    """Return the version that is current at a moment, as the last word up to it has it."""
    version = None
    for entry in history:
        if entry.at <= moment:
            if isinstance(entry.event, StagingLabels):
                version = entry.event.versions[0].version
            elif isinstance(entry.event, RotationStep):
                version = entry.event.token
    return version


def certain(history: list[Entry], moment: float) -> bool:
    """Tell whether the current version is known at a moment: the next word does not have it moved."""
    said = [entry.at for entry in history if isinstance(entry.event, StagingLabels | RotationStep)]
    after = min((each for each in said if each > moment), default=None)
    return after is None or moment in said or current(history, after) == current(history, moment)


def in_use(history: list[Entry], moment: float) -> str | None:
    said: str | None = None
    for entry in history:
        if entry.at <= moment:
            if isinstance(entry.event, CredentialInUse):
                said = entry.event.fingerprint
            elif isinstance(entry.event, ConsumerEnded):
                said = "ended"
    return said


def breaks(history: list[Entry], bound: float) -> bool:
    """Tell whether the rule is broken, by looking at each moment of the history."""
    last = history[-1].at
    read = {
        version.version
        for entry in history
        if isinstance(entry.event, StagingLabels)
        for version in entry.event.versions
    }
    looked = [moment for moment in sampled() if moment <= last and current(history, moment) is not None]
    since: dict[float, float] = {}
    for moment in looked:
        same = moment - 0.5 in since and current(history, moment - 0.5) == current(history, moment)
        since[moment] = since[moment - 0.5] if same else moment
    follows = False
    for moment in looked:
        version, value = current(history, moment), in_use(history, moment)
        assert version is not None
        if version not in read:
            return True
        follows |= since[moment] > looked[0] and value == fingerprint(version)
        due = moment - since[moment] >= bound or moment == last
        if due and certain(history, moment) and value not in {fingerprint(version), "ended"}:
            return True
    return not follows


@settings(max_examples=800)
@given(MOVING, st.integers(0, 4))
def test_consumers_follow_as_every_moment_says(history: list[Entry], bound: int) -> None:
    if not history:
        return
    found = converged(history, consumers=[Consumer("pod", "a", bound)])
    note(found)

    assert bool(found) == breaks(history, bound)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(3, 6), st.integers(0, 2)), min_size=1, max_size=4))
def test_a_history_in_which_everybody_is_in_time_has_no_finding(rotations: list[tuple[int, int]]) -> None:
    history = [at(0, labels("a", "v0")), at(0, uses("pod", "v0"))]
    moment = 0
    for number, (pause, delay) in enumerate(rotations, 1):
        moment += pause
        history += [at(moment, labels("a", f"v{number}")), at(moment + delay, uses("pod", f"v{number}"))]

    assert converged(history, consumers=[Consumer("pod", "a", 2)]) == ()


# ---- the steady state around faults

STATEMENTS = ("ready", "synced")
FAULT = st.sampled_from(["1", "2"])
injected = st.builds(lambda name: FaultInjected(fault=name, what=name), FAULT)
healed = st.builds(lambda name: FaultHealed(fault=name), FAULT)
asked = st.builds(
    lambda what, holds: SteadyStateProbe(what=what, holds=holds), st.sampled_from(STATEMENTS), st.booleans()
)


@st.composite
def nearly_steady(draw: st.DrawFn) -> list[Entry]:
    """Return a history that keeps the rule, and perhaps lacks entries or has some too many."""
    answers: list[Event] = [SteadyStateProbe(what=what, holds=True) for what in STATEMENTS]
    course: list[Event] = [*answers]
    for names in draw(st.lists(st.sampled_from([("1",), ("1", "2"), ("2", "1")]), min_size=1, max_size=3)):
        course += [FaultInjected(fault=name, what=name) for name in names]
        course += [FaultHealed(fault=name) for name in sorted(names)]
        course += answers
    for _ in range(draw(st.integers(0, 2))):
        position = draw(st.integers(0, len(course) - 1))
        if draw(st.booleans()):
            del course[position]
        else:
            course.insert(position, draw(st.one_of(injected, healed, asked)))
    return [at(number, event) for number, event in enumerate(course)]


FAULTS = st.one_of(nearly_steady(), histories(injected, healed, asked))


def disturbed(history: list[Entry], position: int) -> set[str]:
    """Return the faults that are there after the entry at a position."""
    there: set[str] = set()
    for entry in history[: position + 1]:
        if isinstance(entry.event, FaultInjected):
            there.add(entry.event.fault)
        elif isinstance(entry.event, FaultHealed):
            there.discard(entry.event.fault)
    return there


def last_answers(history: list[Entry], positions: list[int]) -> dict[str, bool]:
    return {
        event.what: event.holds
        for position in positions
        if isinstance(event := history[position].event, SteadyStateProbe)
    }


def unsteady(history: list[Entry]) -> bool:
    """Tell whether the rule is broken, by looking at the quiet stretch on each side of each fault."""
    count = len(history)
    quiet = [position for position in range(-1, count) if not disturbed(history, position)]
    statements = {entry.event.what for entry in history if isinstance(entry.event, SteadyStateProbe)}
    if disturbed(history, count - 1) or not statements or len(quiet) == count + 1:
        return True
    for position, entry in enumerate(history):
        there = disturbed(history, position - 1)
        if isinstance(entry.event, FaultInjected) and entry.event.fault in there:
            return True
        if isinstance(entry.event, FaultHealed) and entry.event.fault not in there:
            return True
    stretches: list[list[int]] = []
    for position in quiet:
        if stretches and position - 1 in quiet:
            stretches[-1].append(position)
        else:
            stretches.append([position])
    answers = [last_answers(history, [p for p in stretch if p >= 0]) for stretch in stretches]
    return any(set(said) != statements or not all(said.values()) for said in answers)


@settings(max_examples=500)
@given(FAULTS)
def test_faults_leave_a_steady_state_as_every_stretch_says(history: list[Entry]) -> None:
    found = steady_around_faults(history)
    note(found)

    assert bool(found) == unsteady(history)
