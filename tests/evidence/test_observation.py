from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from evidence.assessment import Verdict, assess
from evidence.events import FaultInjected, RotationAsked, SteadyStateProbe
from evidence.findings import CheckResult, Finding
from evidence.model import Status, load_run, save_run
from evidence.observation import Observation, Observed
from evidence.report import render
from tests.evidence.runs import result, run
from tests.evidence.sample import make
from tests.evidence.test_load import offered
from tests.evidence.test_report import page


def finding(text: str) -> Finding:
    return Finding(checker="rule", text=text)


def test_the_history_is_the_timeline_and_the_load_in_order_of_time(tmp_path: Path) -> None:
    observation = Observation(tmp_path)
    observation.timeline.append(SteadyStateProbe(what="ready", holds=True), at=99.5)
    observation.timeline.append(SteadyStateProbe(what="ready", holds=True), at=101.5)
    offered(tmp_path / "load", (100.5, "health", 0.01, None))

    assert [entry.at for entry in observation.history()] == [99.5, 100, 101.5]
    assert [entry.at for entry in observation.history(since=100, until=101)] == [100]


def test_a_check_is_kept_without_secret_values(tmp_path: Path) -> None:
    observation = Observation(tmp_path, lambda text: text.replace("hunter2", "[the password]"))

    made = observation.check("It holds", (), [finding("hunter2 was refused")], scenario="Rotation")

    assert observation.checks == (made,)
    assert (made.title, made.scenario, made.entries) == ("It holds", "Rotation", 0)
    assert made.findings[0].text == "[the password] was refused"


def test_every_run_is_held_to_healed_faults_and_promised_bounds(tmp_path: Path) -> None:
    observation = Observation(tmp_path)
    observation.timeline.append(FaultInjected(fault="1", what="a restart"))
    observation.timeline.append(RotationAsked(secret="a", token="v2", bound=2))

    healed, bounds = observation.observed().checks

    assert [each.text for each in healed.findings] == ["a restart was never healed."]
    assert [each.text for each in bounds.findings] == [
        "AWSCURRENT → last consumer's first use: p95 is missing, 1 of 1 are missing; promised is 2 s for all."
    ]


def test_a_run_that_observed_nothing_has_nothing_to_show(tmp_path: Path) -> None:
    assert Observation(tmp_path).observed() == Observed()
    assert list(tmp_path.iterdir()) == []


def test_a_broken_timeline_is_named(tmp_path: Path) -> None:
    (tmp_path / "timeline.jsonl").write_text("{}\n")

    with pytest.raises(ConfigurationError, match=r"timeline\.jsonl, line 1"):
        Observation(tmp_path).observed()


def test_findings_fail_a_run_in_which_every_scenario_passed() -> None:
    found = tuple(finding(f"Gap {number}.") for number in range(5))
    checks = (
        CheckResult(title="No gap", entries=9, findings=found),
        CheckResult(title="One current", entries=9, findings=()),
    )

    assessment = assess(run(result("one", Status.PASSED), observed=Observed(checks=checks)))

    assert assessment.verdict is Verdict.FAILED
    assert assessment.reasons == ("No gap: Gap 0. Gap 1. Gap 2. And 2 more.",)


def test_results_with_everything_observed_read_back_and_make_the_same_report(tmp_path: Path) -> None:
    made = make(tmp_path)

    again = load_run(tmp_path)

    assert again == made
    assert save_run(again, tmp_path / "copy").read_bytes() == (tmp_path / "results.json").read_bytes()
    assert render(again, assess(again)) == (tmp_path / "report.html").read_text()


def test_the_report_shows_latency_propagation_and_verdicts(tmp_path: Path) -> None:
    made = make(tmp_path, rotations=4)

    parsed = page(made)

    ids = list(parsed.having("id"))
    assert len(ids) == len(set(ids))
    assert set(parsed.having("aria-labelledby")) <= set(ids)
    assert list(parsed.having("class")).count("picture") == 2
    assert list(parsed.having("class")).count("mark-rotation") == 4
    for text in (
        "Forced rotation fails no request: 1 request auth of load/forced-rotation failed: status 500.",
        "4,800 requests in 120 s",
        "fault: PostgreSQL restarts",
        "4 rotations, promised to reach every consumer within 2.0 s",
        "missing",
        "kept",
        "2 findings",
    ):
        assert text in parsed.words, text
