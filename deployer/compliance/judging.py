"""Facts, controls and waivers in; results out.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

from deployer.compliance.catalogue import FRAMEWORKS, Catalogue, Control
from deployer.compliance.checks import CHECKS
from deployer.compliance.checks.verdict import CannotTellError, Verdict, Violation
from deployer.compliance.facts import Facts
from deployer.compliance.report import (
    ComplianceStatus,
    Finding,
    Framework,
    Outcome,
    References,
    Result,
)
from deployer.compliance.waivers import Waiver

WAIVERS = "waivers-current"


def judge(catalogue: Catalogue, facts: Facts, waivers: tuple[Waiver, ...]) -> tuple[Result, ...]:
    """Judge every control."""
    return tuple(_judged(control, catalogue, facts, waivers) for control in catalogue.controls)


def _judged(control: Control, catalogue: Catalogue, facts: Facts, waivers: tuple[Waiver, ...]) -> Result:
    today = facts.now.date()
    try:
        if control.id == WAIVERS:
            verdict = _waivers_current(waivers, today)
        else:
            verdict = CHECKS[control.id](facts, catalogue.limits)
    except CannotTellError as error:
        unknown = error.unknown
        remedy = "See to what is named, then validate again."
        finding = Finding(subject=unknown.where, seen=unknown.reason, remedy=remedy)
        return _result(control, Outcome.NOT_CHECKED, "it could not be checked", (finding,))
    findings = tuple(
        Finding(
            subject=violation.subject,
            seen=violation.seen,
            remedy=control.remedy,
            waiver=_waiver(control.id, violation, waivers, today),
        )
        for violation in verdict.violations
    )
    return _result(control, _outcome(findings), verdict.evidence, findings)


def _waivers_current(waivers: tuple[Waiver, ...], today: date) -> Verdict:
    return Verdict(
        f"{len(waivers)} waivers examined",
        tuple(
            Violation(f"waiver for {each.control}", f"it lapsed on {each.expires}; its owner is {each.owner}")
            for each in waivers
            if each.lapsed(today)
        ),
    )


def _waiver(control: str, violation: Violation, waivers: Iterable[Waiver], today: date) -> Waiver | None:
    if control == WAIVERS:  # nobody puts up with what is over
        return None
    for waiver in waivers:
        fits = violation.local or not waiver.local_only
        if fits and waiver.covers(control, violation.subject, today):
            return waiver
    return None


def _outcome(findings: tuple[Finding, ...]) -> Outcome:
    if not findings:
        return Outcome.PASSED
    if any(finding.waiver is None for finding in findings):
        return Outcome.FAILED
    if all(finding.waiver is not None and finding.waiver.local_only for finding in findings):
        return Outcome.NOT_APPLICABLE
    return Outcome.WAIVED


def _result(control: Control, outcome: Outcome, evidence: str, findings: tuple[Finding, ...]) -> Result:
    return Result(
        control=control.id,
        text=control.text,
        severity=control.severity,
        references=References(sox=control.sox, pci_dss_v4=control.pci, gdpr=control.gdpr),
        outcome=outcome,
        evidence=evidence,
        findings=findings,
    )


def status(results: Iterable[Result]) -> ComplianceStatus:
    """Tell what results come to: a violation outweighs what could not be checked, and that is no pass."""
    outcomes = {result.outcome for result in results}
    if Outcome.FAILED in outcomes:
        return ComplianceStatus.NON_COMPLIANT
    if Outcome.NOT_CHECKED in outcomes or not outcomes:
        return ComplianceStatus.INCOMPLETE
    return ComplianceStatus.COMPLIANT


def summary(results: Iterable[Result]) -> dict[Outcome, int]:
    """Count the controls of each outcome."""
    counted = Counter(result.outcome for result in results)
    return {outcome: counted[outcome] for outcome in Outcome}


def frameworks(results: tuple[Result, ...]) -> dict[str, Framework]:
    """Tell for each set of rules how far it was audited; every control is part of each."""
    failed = tuple(result.control for result in results if result.outcome is Outcome.FAILED)
    unchecked = tuple(result.control for result in results if result.outcome is Outcome.NOT_CHECKED)
    one = Framework(
        controls=len(results), failed=failed, not_checked=unchecked, complete=bool(results) and not unchecked
    )
    return dict.fromkeys(FRAMEWORKS.values(), one)
