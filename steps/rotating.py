"""Phase 5: rotations forced, and what they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest
from pytest_bdd import given, then, when

from deployer.rotation.consumers import Consumers
from deployer.rotation.record import STEPS, Kind, Rotated
from deployer.rotation.rotator import Rotator
from deployer.rotation.trail import Observe, unobserved
from deployer.supplied import Supplied, rehearsed
from environments.protocol import RenewingNodes
from evidence import checkers, convergence
from evidence.events import (
    ConsumerEnded,
    CredentialInUse,
    OperatorSync,
    RotationAsked,
    RotationStep,
    SecretVersion,
    SecretWritten,
    StagingLabels,
)
from evidence.findings import Finding, Hold
from evidence.observation import Observation
from evidence.timeline import Timeline
from steps.parameters import phrase
from steps.probes import Probes
from steps.system import System, text_of

# Seconds from the current label's move to the last pod: when the operator is told, and when it is not.
_BOUND = 2.0
_OWN_BOUND = 30.0
_CURRENT, _PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
# The field of each secret that its consumers use.
_USED = {"database/primary": "password", "cache/redis-auth": "password"}


def rotator(system: System, secret: str, observe: Observe = unobserved) -> Rotator:
    """Return what rotates a secret."""
    return Rotator(
        system.environment.connections(),
        system.desired,
        secret,
        locks=system.receipts,
        on_secret=system.on_secret,
        observe=observe,
    )


def is_pending(system: System, secret: str) -> bool:
    """Tell whether a version is pending that is not the current one."""
    described = system.aws("secretsmanager").describe_secret(SecretId=system.full_name(secret))
    labels: Mapping[str, list[str]] = described["VersionIdsToStages"]
    return any("AWSPENDING" in held and _CURRENT not in held for held in labels.values())


def consumers(system: System, secret: str) -> Consumers:
    """Return who uses a secret."""
    return Consumers(system.cluster, system.desired, system.full_name(secret))


def _fingerprint(system: System, secret: str, label: str) -> str:
    answer = system.aws("secretsmanager").get_secret_value(
        SecretId=system.full_name(secret), VersionStage=label
    )
    fields = system.fields(answer["SecretString"], secret)
    return system.fingerprints.of(text_of(fields[_USED.get(secret, "value")]))


def rotate(
    system: System,
    timeline: Timeline,
    secret: str,
    supplied: Supplied | None = None,
    *,
    nudge: bool = True,
    resume: bool = False,
    observe: Observe = unobserved,
    bound: float | None = _BOUND,
) -> Rotated:
    """Rotate a secret, and write down what was seen of it.

    A pod shows what it uses by a fingerprint that only it can make, so that it uses the new value is
    told by its fingerprint having changed since the beginning.
    """
    users = consumers(system, secret)
    asked = rotator(system, secret, observe)
    done = asked.rotate(supplied=supplied, nudge=nudge, resume=resume)
    before, after = _fingerprint(system, secret, _PREVIOUS), _fingerprint(system, secret, _CURRENT)
    began = done.began.timestamp()
    timeline.append(RotationAsked(secret=secret, token=done.version, bound=bound), at=began)
    old = SecretVersion(version=done.before, labels=(_CURRENT,), fingerprint=before)
    timeline.append(StagingLabels(secret=secret, versions=(old,)), at=began)
    pods = frozenset(hop.subject for hop in done.of(Kind.POD))
    for gone in sorted(frozenset().union(*system.consumers.values()) - pods):  # replaced since, or meanwhile
        timeline.append(ConsumerEnded(consumer=gone), at=began)
    # Not of a pod that has begun since the secret's last rotation: it never had to follow that one.
    for name in sorted(pods & system.consumers.get(secret, pods)):
        timeline.append(CredentialInUse(consumer=name, secret=secret, fingerprint=before), at=began)
    system.consumers = {other: seen & pods for other, seen in system.consumers.items()} | {secret: pods}
    for hop in done.of(Kind.STEP):
        step = RotationStep.model_validate({"secret": secret, "token": done.version, "step": hop.subject})
        timeline.append(step, at=hop.at.timestamp())
    for hop in done.of(Kind.CURRENT):
        new = SecretVersion(version=done.version, labels=(_CURRENT,), fingerprint=after)
        old = SecretVersion(version=done.before, labels=(_PREVIOUS,), fingerprint=before)
        timeline.append(StagingLabels(secret=secret, versions=(new, old)), at=hop.at.timestamp())
    for copy in users.copies:
        live = system.cluster.get(copy.external_secret)
        assert live is not None, f"there is no ExternalSecret for {copy.name}"
        refreshed = datetime.fromisoformat(live["status"]["refreshTime"]).timestamp()
        (hop,) = (each for each in done.of(Kind.COPY) if each.subject == copy.name)
        at, name = hop.at.timestamp(), live["metadata"]["name"]
        timeline.append(OperatorSync(secret=secret, external_secret=name, refreshed=refreshed), at=at)
        timeline.append(
            SecretWritten(
                secret=secret, kubernetes_secret=copy.name, resource_version=hop.detail, fingerprint=after
            ),
            at=at,
        )
    for hop in done.of(Kind.POD):
        use = CredentialInUse(consumer=hop.subject, secret=secret, fingerprint=after)
        timeline.append(use, at=hop.at.timestamp())
    return done


# ---- rotated


@pytest.fixture
def began(timeline: Timeline) -> float:
    """When the scenario began."""
    return timeline.now()


@pytest.fixture
def supplied() -> Supplied:
    """New values from issuers; none unless a Given brings them."""
    return {}


@given(phrase("a new value for {secret:Quoted} from its issuer"), target_fixture="supplied")
def _new_value(system: System, secret: str) -> Supplied:
    values = rehearsed(system.desired, account=system.connections.account)
    return {key: value for key, value in values.items() if key[0] == secret}


@given(phrase("the secret {secret:Quoted} was rotated"), target_fixture="rotated")
@when(phrase("the secret {secret:Quoted} is rotated"), target_fixture="rotated")
def _rotated(
    system: System, timeline: Timeline, began: float, supplied: Supplied, secret: str
) -> Sequence[Rotated]:
    del began  # what follows is what counts
    with Probes(system, timeline):
        return [rotate(system, timeline, secret, supplied)]


@when(
    phrase("the secret {secret:Quoted} is rotated and the operator is not told of it"),
    target_fixture="rotated",
)
def _rotated_untold(system: System, timeline: Timeline, began: float, secret: str) -> Sequence[Rotated]:
    del began  # as above
    with Probes(system, timeline):
        return [rotate(system, timeline, secret, nudge=False, bound=_OWN_BOUND + _nodes_own_time(system))]


@when("these secrets are rotated one after the other, twice:", target_fixture="rotated")
def _rotated_back_to_back(
    system: System, timeline: Timeline, began: float, datatable: list[list[str]]
) -> Sequence[Rotated]:
    del began  # as above
    done = []
    with Probes(system, timeline) as probes:
        for (secret,) in datatable[1:] * 2:
            done.append(rotate(system, timeline, secret))
            probes.begin_session()
    return done


@then("at no moment was there no accepted credential")
def _no_gap(observation: Observation, hold: Hold, began: float) -> None:
    history = observation.history(since=began)
    gaps = checkers.no_credential_gap(history, consumers=Probes.CONSUMERS)
    single = checkers.one_current(history)
    hold("There is always an accepted credential, and one current version", history, gaps, single)


@then(phrase("every pod used the new value within {seconds:d} seconds and its node's own time"))
def _followed_unhurried(
    system: System, observation: Observation, hold: Hold, rotated: Sequence[Rotated], seconds: int
) -> None:
    _followed(observation, hold, rotated, seconds + _nodes_own_time(system))


def _nodes_own_time(system: System) -> float:
    """Return the seconds that nodes may take to renew what is mounted, where nobody hurries them."""
    place = system.environment
    return place.renewal_seconds if isinstance(place, RenewingNodes) else 0.0


@then(phrase("every pod used the new value within {seconds:d} seconds"))
def _followed(observation: Observation, hold: Hold, rotated: Sequence[Rotated], seconds: float) -> None:
    # Each secret is looked at from when its first rotation was asked for: its uses are known then
    findings: list[Finding] = []
    for secret in {done.secret for done in rotated}:
        mine = [done for done in rotated if done.secret == secret]
        history = observation.history(since=mine[0].began.timestamp())
        pods = sorted({hop.subject for done in mine for hop in done.of(Kind.POD)})
        assert pods, f"no pod was seen to use {secret}"
        followers = [convergence.Consumer(pod, secret, bound=seconds) for pod in pods]
        findings += convergence.converged(history, consumers=followers)
    hold("Every pod follows", history, findings)


@then("it went through createSecret, setSecret, testSecret and finishSecret in this order")
def _went_through(rotated: Sequence[Rotated]) -> None:
    (done,) = rotated
    assert tuple(hop.subject for hop in done.of(Kind.STEP)) == STEPS


@then("exactly one version is current, and it is the new one")
@then("exactly one version is current, and it is the same as before")
def _one_current(system: System, rotated: Sequence[Rotated]) -> None:
    done = rotated[-1]
    assert current_versions(system, done.secret) == [done.version]


def current_versions(system: System, secret: str) -> list[str]:
    """Return the versions that carry the current label; there should be one."""
    described = system.aws("secretsmanager").describe_secret(SecretId=system.full_name(secret))
    labels: Mapping[str, list[str]] = described["VersionIdsToStages"]
    return [version for version, held in labels.items() if _CURRENT in held]


@then("every pod uses the new value")
def _pods_use_it(system: System, rotated: Sequence[Rotated]) -> None:
    (done,) = rotated
    ready = consumers(system, done.secret).pods().keys()
    assert ready, "no pod is ready"
    assert {hop.subject for hop in done.of(Kind.POD)} == set(ready)


# ---- who gets in


@then("the other of the two logins is current now")
def _other_login(system: System, rotated: Sequence[Rotated]) -> None:
    (done,) = rotated
    manager, name = system.aws("secretsmanager"), system.full_name(done.secret)
    logins = [
        text_of(
            system.fields(
                manager.get_secret_value(SecretId=name, VersionStage=label)["SecretString"], done.secret
            )["username"]
        )
        for label in (_PREVIOUS, _CURRENT)
    ]
    assert sorted(logins) == sorted(system.desired.database.logins), f"the logins are {logins}"


@then("the database lets in both the new value and the value before")
def _both_let_in(rotated: Sequence[Rotated]) -> None:
    (done,) = rotated
    assert [hop.subject for hop in done.of(Kind.LOGIN)] == ["with the new value", "with the value before"]
