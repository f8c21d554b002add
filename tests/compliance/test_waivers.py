"""Waivers hold for what they name, while they last."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from deployer.compliance.catalogue import load
from deployer.compliance.facts import Facts
from deployer.compliance.judging import judge, status
from deployer.compliance.report import ComplianceStatus, Outcome
from deployer.compliance.waivers import Waiver, read_waivers
from deployer.errors import ConfigurationError
from tests.compliance.ground import COMPLIANT, HOP, NOW, SECRET

CATALOGUE = load()
CONTROLS = {control.id for control in CATALOGUE.controls}
TODAY = NOW.date()
OLD = replace(SECRET, current_since=(NOW - timedelta(days=100),))
OTHER = replace(OLD, name=f"{OLD.name}-too")
TOO_OLD = replace(COMPLIANT, secrets=(OLD, OTHER))
WAIVER = Waiver(control="secret-age", owner="payments", reason="next key in March", expires=TODAY)


def outcomes(facts: Facts, *waivers: Waiver) -> dict[str, Outcome]:
    return {
        result.control: result.outcome
        for result in judge(CATALOGUE, facts, waivers)
        if result.outcome is not Outcome.PASSED
    }


def test_a_waiver_holds_on_its_last_day() -> None:
    assert outcomes(TOO_OLD, WAIVER) == {"secret-age": Outcome.WAIVED}
    assert status(judge(CATALOGUE, TOO_OLD, (WAIVER,))) is ComplianceStatus.COMPLIANT


def test_a_lapsed_waiver_covers_nothing_and_is_a_finding() -> None:
    lapsed = WAIVER.model_copy(update={"expires": TODAY - timedelta(days=1)})
    assert outcomes(TOO_OLD, lapsed) == {"secret-age": Outcome.FAILED, "waivers-current": Outcome.FAILED}


def test_a_lapsed_waiver_cannot_be_waived() -> None:
    lapsed = WAIVER.model_copy(update={"expires": TODAY - timedelta(days=1)})
    excuse = WAIVER.model_copy(update={"control": "waivers-current"})
    assert outcomes(COMPLIANT, lapsed, excuse) == {"waivers-current": Outcome.FAILED}


def test_a_waiver_for_one_subject_leaves_the_others() -> None:
    one = WAIVER.model_copy(update={"subject": f"secret {OLD.name}"})
    assert outcomes(TOO_OLD, one) == {"secret-age": Outcome.FAILED}
    results = {result.control: result for result in judge(CATALOGUE, TOO_OLD, (one,))}
    assert [finding.waiver for finding in results["secret-age"].findings] == [one, None]


def test_a_waiver_for_another_control_covers_nothing() -> None:
    other = WAIVER.model_copy(update={"control": "key-state"})
    assert outcomes(TOO_OLD, other) == {"secret-age": Outcome.FAILED}


LOOPBACK = Waiver(
    control="tls-cache", owner="environment", reason="local only", expires=TODAY, local_only=True
)


@pytest.mark.parametrize(("local", "outcome"), [(True, Outcome.NOT_APPLICABLE), (False, Outcome.FAILED)])
def test_a_local_exemption_covers_nothing_else(*, local: bool, outcome: Outcome) -> None:
    plain = replace(HOP, protocol=None, certificate=None, local=local)
    facts = replace(COMPLIANT, hops={**COMPLIANT.hops, "tls-cache": plain})
    assert outcomes(facts, LOOPBACK) == {"tls-cache": outcome}


def test_a_local_exemption_does_not_cover_a_bad_certificate() -> None:
    bad = replace(HOP, untrusted="certificate has expired", local=True)
    facts = replace(COMPLIANT, hops={**COMPLIANT.hops, "tls-cache": bad})
    assert outcomes(facts, LOOPBACK) == {"tls-cache": Outcome.FAILED}


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "waivers.toml"
    file.write_text(text)
    return file


WHOLE = """
[[waivers]]
control = "secret-age"
owner = "payments"
reason = "next key in March"
expires = 2026-03-31
"""


def test_a_file_of_waivers(tmp_path: Path) -> None:
    (waiver,) = read_waivers(written(tmp_path, WHOLE), CONTROLS)
    assert (waiver.control, waiver.subject, waiver.owner) == ("secret-age", None, "payments")
    assert waiver.expires == date(2026, 3, 31)


@pytest.mark.parametrize(
    ("line", "instead", "seen"),
    [
        ("expires = 2026-03-31\n", "", "waiver 1 without expires"),
        ("expires = 2026-03-31\n", 'expires = "some day"\n', "waiver 1, expires:"),
        ('owner = "payments"\n', "", "waiver 1 without owner"),
        ('reason = "next key in March"\n', 'reason = ""\n', "waiver 1, reason:"),
        ('"secret-age"', '"secret-rage"', "'secret-rage'"),
        ("owner", "local_only = true\nowner", "waiver 1, local_only:"),
        ("[[waivers]]", "[[waivers]", "at line"),
    ],
)
def test_a_waiver_that_cannot_be_used_is_named(tmp_path: Path, line: str, instead: str, seen: str) -> None:
    file = written(tmp_path, WHOLE.replace(line, instead))
    with pytest.raises(ConfigurationError) as refused:
        read_waivers(file, CONTROLS)
    assert str(file) in refused.value.subject
    assert seen in refused.value.seen


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        read_waivers(tmp_path / "none.toml", CONTROLS)
