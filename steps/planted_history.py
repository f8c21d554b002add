"""Histories with a planted violation: whether those that judge see anything at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_bdd import given, then, when

from evidence import checkers, convergence
from evidence.events import (
    CredentialInUse,
    CredentialProbe,
    Entry,
    Event,
    FaultFelt,
    FaultHealed,
    FaultInjected,
    History,
    LoadInterval,
    RequestFailed,
    SecretVersion,
    StagingLabels,
    SteadyStateProbe,
)
from evidence.findings import Finding
from steps.parameters import phrase

_SECRET, _POD, _LOGIN, _FAULT = "database/primary", "a pod", "its login", "a fault"
_OLD, _NEW = "0" * 16, "1" * 16
_BOUND = 2.0


def _labels(*current: str) -> StagingLabels:
    versions = tuple(
        SecretVersion(version=value, labels=("AWSCURRENT",), fingerprint=value) for value in current
    )
    return StagingLabels(secret=_SECRET, versions=versions)


def _probe(*, accepted: bool) -> CredentialProbe:
    return CredentialProbe(consumer=_POD, login=_LOGIN, accepted=accepted)


def _steady(*, holds: bool) -> SteadyStateProbe:
    return SteadyStateProbe(what="the application is ready", holds=holds)


_SOUND: dict[float, Event] = {
    0.0: _labels(_OLD),
    0.1: CredentialInUse(consumer=_POD, secret=_SECRET, fingerprint=_OLD),
    0.2: _steady(holds=True),
    0.3: LoadInterval(load="people", count=40, failed=0),
    1.0: _probe(accepted=True),
    2.0: FaultInjected(fault=_FAULT, what="something goes wrong"),
    3.0: FaultFelt(fault=_FAULT),
    4.0: FaultHealed(fault=_FAULT),
    5.0: _labels(_NEW),
    6.0: CredentialInUse(consumer=_POD, secret=_SECRET, fingerprint=_NEW),
    7.0: _probe(accepted=True),
    9.0: _steady(holds=True),
}
_PLANTED: dict[str, dict[float, Event | None]] = {
    "a request that failed": {7.5: RequestFailed(load="people", request="sign in", reason="status 500")},
    "a moment without an accepted credential": {6.5: _probe(accepted=False)},
    "a second current version": {8.0: _labels(_NEW, _OLD)},
    "a pod that does not follow": {6.0: None},
    "a fault that is not healed": {4.0: None},
    "a steady state that does not return": {9.0: _steady(holds=False)},
}
_JUDGES: tuple[Callable[[History], Sequence[Finding]], ...] = (
    checkers.no_request_failed,
    lambda history: checkers.no_credential_gap(history, consumers=[_POD]),
    lambda history: checkers.one_current(history, secrets=[_SECRET]),
    lambda history: convergence.converged(
        history, consumers=[convergence.Consumer(_POD, _SECRET, bound=_BOUND)]
    ),
    checkers.steady_around_faults,
)


def _history(events: dict[float, Event | None]) -> History:
    return tuple(
        Entry.model_validate({"at": at, "event": event.model_dump()})
        for at, event in sorted(events.items())
        if event is not None
    )


@given(
    phrase("the history of a rotation in which {violation:Planted} is planted", Planted=_PLANTED),
    target_fixture="planted",
)
def _planted(violation: str) -> tuple[History, History]:
    return _history({**_SOUND}), _history({**_SOUND, **_PLANTED[violation]})


@when("the history is judged", target_fixture="judged")
def _judged(planted: tuple[History, History]) -> tuple[set[str], set[str]]:
    sound, broken = (
        {each.checker for judge in _JUDGES for each in judge(each_history)} for each_history in planted
    )
    return sound, broken


@then(phrase("what is found is {rule}, and nothing without it"))
def _found(judged: tuple[set[str], set[str]], rule: str) -> None:
    without, with_it = judged
    assert without == set(), f"a sound history is found to break: {', '.join(without)}"
    assert with_it == {rule}, f"found was: {', '.join(sorted(with_it)) or 'nothing'}"
