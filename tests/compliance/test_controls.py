"""Every control fails by its own violations, alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from deployer.compliance.catalogue import load
from deployer.compliance.checks import CHECKS
from deployer.compliance.checks.hops import NAMES
from deployer.compliance.facts import (
    Facts,
    Reader,
    Sources,
    Store,
    StoredSecret,
    Suspect,
    TokenRequest,
    Trail,
    Unknown,
)
from deployer.compliance.judging import WAIVERS, frameworks, judge, status, summary
from deployer.compliance.report import ComplianceStatus, Outcome, Result
from deployer.compliance.waivers import Waiver
from tests.compliance.ground import (
    ACCOUNT,
    CERTIFICATE,
    COMPLIANT,
    HOP,
    KEY,
    NOW,
    OURS,
    PREFIX,
    SECRET,
    WORKLOADS,
    policy,
)

CATALOGUE = load()
SUSPECT = Suspect("somewhere", "Secret Keyword", "1228eae8c589")
EVERYBODY = policy("*")


def of_key(**changes: Any) -> Facts:  # noqa: ANN401  any of its facts
    return replace(COMPLIANT, key=replace(KEY, **changes))


def of_secret(**changes: Any) -> Facts:  # noqa: ANN401  as above
    return replace(COMPLIANT, secrets=(replace(SECRET, **changes),))


def beside(**changes: Any) -> Facts:  # noqa: ANN401  as above
    """Facts with another secret beside the declared one."""
    other = StoredSecret(f"{PREFIX}other", SECRET.key, SECRET.current_since, None)
    return replace(COMPLIANT, secrets=(SECRET, replace(other, **changes)))


def of_workloads(**changes: Any) -> Facts:  # noqa: ANN401  as above
    return replace(COMPLIANT, workloads=replace(WORKLOADS, **changes))


def of_hop(name: str, **changes: Any) -> Facts:  # noqa: ANN401  as above
    return replace(COMPLIANT, hops={**COMPLIANT.hops, name: replace(HOP, **changes)})


def planted() -> Iterator[tuple[str, str, Facts]]:
    """Yield control, violation and the facts that have it."""
    yield "key-state", "disabled", of_key(state="Disabled", rotation_days=365)
    yield "key-state", "to be deleted", of_key(state="PendingDeletion")
    yield "key-state", "AWS' own", of_key(manager="AWS")
    yield "key-state", "for signing", of_key(spec="RSA_2048")
    yield "key-state", "not for encryption", of_key(usage="SIGN_VERIFY")
    yield "key-rotation", "off", of_key(rotation_days=None)
    yield "key-rotation", "too seldom", of_key(rotation_days=366)
    yield "key-policy", "everybody", of_key(policy=EVERYBODY)
    yield "key-policy", "every AWS account", of_key(policy=policy({"AWS": ["*"]}))
    yield "key-policy", "everybody in an account", of_key(policy=policy({"AWS": f"arn:aws:iam::{ACCOUNT}:*"}))
    yield "key-policy", "another account", of_key(policy=policy({"AWS": "arn:aws:iam::999988887777:root"}))
    yield "key-policy", "another account's number", of_key(policy=policy({"AWS": "999988887777"}))
    yield (
        "key-policy",
        "everybody but one",
        of_key(policy={"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "*"}}),
    )
    yield "secrets-on-key", "missing", replace(COMPLIANT, secrets=())
    yield "secrets-on-key", "on AWS' own key", of_secret(key=None)
    yield "secrets-on-key", "on another key", of_secret(key=KEY.arn + "f")
    yield "secrets-on-key", "an undeclared one on AWS' own key", beside(key=None)
    yield "secret-age", "too old", of_secret(current_since=(NOW - timedelta(days=91),))
    yield "secret-age", "none current", of_secret(current_since=())
    yield "secret-age", "two current", of_secret(current_since=(NOW, NOW))
    yield "secret-age", "rotation overdue", of_secret(rotation_due=NOW - timedelta(days=2))
    yield "secret-policy", "everybody", of_secret(policy=EVERYBODY)
    yield "secret-policy", "another account", of_secret(policy=policy({"AWS": "999988887777"}))
    yield (
        "cluster-secrets-at-rest",
        "one in plain",
        replace(COMPLIANT, store=Store({"a/b": "secretbox", "a/c": None}, frozenset({"secrets"}))),
    )
    yield "cluster-secrets-at-rest", "no envelope", replace(COMPLIANT, store=Store(None, frozenset()))
    for name in NAMES:
        yield name, "plain", of_hop(name, protocol=None, certificate=None)
        yield name, "old", of_hop(name, protocol="TLSv1.1", certificate=None)
        yield name, "also old", of_hop(name, old_protocols=True)
        yield name, "untrusted", of_hop(name, untrusted="self-signed certificate")
        yield name, "no certificate", of_hop(name, certificate=None)
        ends = replace(CERTIFICATE, not_after=NOW + timedelta(days=13))
        yield name, "ends soon", of_hop(name, certificate=ends)
        begins = replace(CERTIFICATE, not_before=NOW + timedelta(hours=1))
        yield name, "not yet good", of_hop(name, certificate=begins)
    yield "pod-literals", "a literal", of_workloads(literals=(SUSPECT,))
    yield "config-maps", "an entry", of_workloads(config_maps=(SUSPECT,))
    strange = Reader("ServiceAccount mita-production/default", "RoleBinding open")
    yield "secret-readers", "a stranger", replace(COMPLIANT, readers=(*COMPLIANT.readers, strange))  # type: ignore[misc]  # they are known here
    yield "service-account-tokens", "long", of_workloads(tokens=(TokenRequest("p", "", 3608),))
    yield "service-account-tokens", "for others", of_workloads(tokens=(TokenRequest("p", "vault", 600),))
    yield "service-account-tokens", "lasting", of_workloads(lasting_tokens=("secret a/b",))
    yield "audit-trail-aws", "no record", replace(COMPLIANT, cloud_trail=Trail(None))
    yield "audit-trail-cluster", "no record", replace(COMPLIANT, cluster_trail=Trail(None))
    yield (
        "audit-trail-cluster",
        "old records",
        replace(COMPLIANT, cluster_trail=Trail(NOW - timedelta(hours=25))),
    )
    yield "hardcoded-secrets", "one", replace(COMPLIANT, sources=Sources(1, (SUSPECT,)))


CASES = list(planted())


def failed(results: tuple[Result, ...]) -> list[str]:
    return [result.control for result in results if result.outcome is not Outcome.PASSED]


def test_a_place_as_demanded_is_compliant() -> None:
    results = judge(CATALOGUE, COMPLIANT, ())
    assert failed(results) == []
    assert status(results) is ComplianceStatus.COMPLIANT


@pytest.mark.parametrize(
    ("control", "facts"),
    [pytest.param(control, facts, id=f"{control}: {what}") for control, what, facts in CASES],
)
def test_a_violation_is_found_by_its_own_control_alone(control: str, facts: Facts) -> None:
    results = judge(CATALOGUE, facts, ())
    assert failed(results) == [control]
    assert status(results) is ComplianceStatus.NON_COMPLIANT
    (result,) = (each for each in results if each.control == control)
    assert result.findings
    assert all(finding.remedy for finding in result.findings)


def test_a_lapsed_waiver_is_found_by_its_own_control_alone() -> None:
    lapsed = Waiver(control="key-state", owner="us", reason="because", expires=date(2026, 3, 1))
    results = judge(CATALOGUE, COMPLIANT, (lapsed,))
    assert failed(results) == [WAIVERS]


def test_every_control_has_a_check_and_a_violation() -> None:
    names = {control.id for control in CATALOGUE.controls}
    assert len(names) == len(CATALOGUE.controls)
    assert set(CHECKS) | {WAIVERS} == names
    assert {control for control, _, _ in CASES} | {WAIVERS} == names


def test_a_rotation_may_take_a_day_after_it_is_due() -> None:
    assert failed(judge(CATALOGUE, of_secret(rotation_due=NOW - timedelta(hours=23)), ())) == []


def test_a_policy_may_name_the_account_and_services() -> None:
    also = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "*"}
    denied = {"Effect": "Deny", "Principal": "*", "Action": "*"}
    document = {"Statement": [*OURS["Statement"], also, denied]}
    assert failed(judge(CATALOGUE, of_key(policy=document), ())) == []


UNKNOWN = Unknown("the place at https://somewhere", "ConnectTimeoutError")


@pytest.mark.parametrize(
    ("fact", "controls"),
    [
        ("key", ["key-state", "key-rotation", "key-policy", "secrets-on-key"]),
        ("secrets", ["secrets-on-key", "secret-age", "secret-policy"]),
        ("store", ["cluster-secrets-at-rest"]),
        ("workloads", ["pod-literals", "config-maps", "service-account-tokens"]),
        ("readers", ["secret-readers"]),
        ("cloud_trail", ["audit-trail-aws"]),
        ("cluster_trail", ["audit-trail-cluster"]),
        ("sources", ["hardcoded-secrets"]),
    ],
)
def test_what_cannot_be_checked_is_no_pass_and_is_named(fact: str, controls: list[str]) -> None:
    results = judge(CATALOGUE, replace(COMPLIANT, **{fact: UNKNOWN}), ())  # type: ignore[arg-type]  # by name
    unchecked = [result for result in results if result.outcome is Outcome.NOT_CHECKED]
    assert [result.control for result in unchecked] == controls
    assert {finding.subject for result in unchecked for finding in result.findings} == {UNKNOWN.where}
    assert status(results) is ComplianceStatus.INCOMPLETE
    assert not any(framework.complete for framework in frameworks(results).values())
    assert summary(results)[Outcome.NOT_CHECKED] == len(controls)


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_that_cannot_be_tried_is_no_pass(name: str) -> None:
    results = judge(CATALOGUE, replace(COMPLIANT, hops={**COMPLIANT.hops, name: UNKNOWN}), ())
    assert failed(results) == [name]
    assert status(results) is ComplianceStatus.INCOMPLETE


@pytest.mark.parametrize(
    "facts",
    [
        of_workloads(containers=0),
        replace(COMPLIANT, readers=()),
        replace(COMPLIANT, sources=Sources(0, ())),
        replace(COMPLIANT, store=Store({}, None)),
    ],
)
def test_nothing_to_look_at_is_no_pass(facts: Facts) -> None:
    assert status(judge(CATALOGUE, facts, ())) is ComplianceStatus.INCOMPLETE


def test_a_violation_outweighs_what_could_not_be_checked() -> None:
    facts = replace(COMPLIANT, key=replace(KEY, rotation_days=None), secrets=UNKNOWN)
    assert status(judge(CATALOGUE, facts, ())) is ComplianceStatus.NON_COMPLIANT


def test_nothing_judged_is_not_compliant() -> None:
    assert status(()) is ComplianceStatus.INCOMPLETE


def test_whoever_administers_this_very_cluster_is_no_stranger() -> None:
    administrators = Reader("Group kubeadm:cluster-admins", "ClusterRoleBinding kubeadm:cluster-admins")
    facts = replace(COMPLIANT, readers=(*COMPLIANT.readers, administrators))  # type: ignore[misc]  # they are known here
    limits = load().limits
    assert CHECKS["secret-readers"](facts, limits).violations
    told = replace(facts, administrators=frozenset({administrators.subject}))
    assert not CHECKS["secret-readers"](told, limits).violations
