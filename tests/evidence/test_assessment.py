from __future__ import annotations

from typing import Any

import pytest

from evidence.assessment import Standing, Verdict, assess
from evidence.model import Status
from tests.evidence.runs import catalogued, criterion, feature, result, run


def test_a_run_in_which_everything_passed_is_passed() -> None:
    assessment = assess(
        run(
            result("one", Status.PASSED, "P1.1"),
            features=(feature(catalogued("one", "P1.1")),),
            criteria=(criterion("P1.1"), criterion("P5.1", status="planned")),
        )
    )

    assert assessment.verdict is Verdict.PASSED
    assert assessment.reasons == ()
    assert [entry.standing for entry in assessment.criteria] == [Standing.PROVEN, Standing.PLANNED]


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        ({"problems": ("AWS died.",)}, Verdict.FAILED, "AWS died."),
        ({"finished": None}, Verdict.INCOMPLETE, "The run did not come to its end."),
        ({"scenarios": ()}, Verdict.INCOMPLETE, "1 scenario did not run."),
        ({"scenarios": (result("one", Status.FAILED, "P1.1"),)}, Verdict.FAILED, "1 scenario failed."),
        (
            {"scenarios": (result("one", Status.SKIPPED, "P1.1"),)},
            Verdict.INCOMPLETE,
            "1 scenario was skipped.",
        ),
        (
            {"scenarios": (result("one", Status.NOT_EXERCISED, "P1.1"),)},
            Verdict.INCOMPLETE,
            "No scenario passed.",
        ),
        ({"criteria": (criterion("P1.2"),)}, Verdict.INCOMPLETE, "No scenario proves P1.2."),
        ({"features": (), "scenarios": ()}, Verdict.INCOMPLETE, "No scenario passed."),
        (
            {"scenarios": (), "selection": "-m production-smoke"},
            Verdict.INCOMPLETE,
            "Only a part was asked for: -m production-smoke.",
        ),
    ],
)
def test_anything_less_is_not_passed_and_says_why(
    change: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    whole: dict[str, Any] = {
        "scenarios": (result("one", Status.PASSED, "P1.1"),),
        "features": (feature(catalogued("one", "P1.1")),),
        "criteria": (criterion("P1.1"),),
    }

    assessment = assess(run(**(whole | change)))

    assert assessment.verdict is verdict
    assert reason in assessment.reasons


def test_no_scenario_of_the_feature_files_vanishes() -> None:
    outline = catalogued("many", "P1.1", examples=({"key": "a"}, {"key": "b"}))
    assessment = assess(
        run(
            result("many", Status.PASSED, "P1.1", example={"key": "b"}),
            features=(feature(catalogued("one"), outline), feature(catalogued("one"), file="b.feature")),
            criteria=(criterion("P1.1"),),
        )
    )

    assert [
        (scenario.file, scenario.title, scenario.example, scenario.status)
        for scenario in assessment.scenarios
    ] == [
        ("a.feature", "one", {}, Status.NOT_RUN),
        ("a.feature", "many", {"key": "a"}, Status.NOT_RUN),
        ("a.feature", "many", {"key": "b"}, Status.PASSED),
        ("b.feature", "one", {}, Status.NOT_RUN),
    ]
    assert [step.text for step in assessment.scenarios[0].steps] == ["it is tried"]
    assert assessment.criteria[0].standing is Standing.NOT_RUN
    assert assessment.verdict is Verdict.INCOMPLETE


def test_a_result_that_no_feature_file_has_still_counts() -> None:
    assessment = assess(
        run(
            result("one", Status.PASSED),
            result("renamed", Status.FAILED),
            result("lost", Status.FAILED, file="gone.feature"),
            features=(feature(catalogued("one")),),
        )
    )

    assert assessment.counts == {Status.PASSED: 1, Status.FAILED: 2}
    assert assessment.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("statuses", "standing"),
    [
        ([Status.PASSED, Status.PASSED], Standing.PROVEN),
        ([Status.PASSED, Status.FAILED], Standing.FAILED),
        ([Status.NOT_RUN, Status.FAILED], Standing.FAILED),
        ([Status.PASSED, Status.NOT_RUN], Standing.NOT_RUN),
        ([Status.PASSED, Status.SKIPPED], Standing.NOT_RUN),
        ([Status.PASSED, Status.NOT_EXERCISED], Standing.PARTLY),
        ([Status.NOT_EXERCISED], Standing.NOT_EXERCISED),
        ([], Standing.MISSING),
    ],
)
def test_a_promise_stands_as_its_weakest_scenario(statuses: list[Status], standing: Standing) -> None:
    titles = [f"scenario {number}" for number in range(len(statuses))]
    assessment = assess(
        run(
            *(result(title, status, "P1.1") for title, status in zip(titles, statuses, strict=True)),
            features=(feature(*(catalogued(title, "P1.1") for title in titles)),),
            criteria=(criterion("P1.1"),),
        )
    )

    assert assessment.criteria[0].standing is standing
    assert len(assessment.criteria[0].scenarios) == len(statuses)


def test_what_cannot_be_exercised_is_said_though_the_run_passed() -> None:
    assessment = assess(
        run(
            result("one", Status.PASSED),
            result("two", Status.NOT_EXERCISED, reason="no monitoring"),
            features=(feature(catalogued("one"), catalogued("two")),),
        )
    )

    assert assessment.verdict is Verdict.PASSED
    assert assessment.remarks == ("1 scenario cannot be exercised in embedded.",)


def _smoke(*results: Any) -> Any:  # noqa: ANN401  as the functions that it is made of
    titles = (
        catalogued("reads", "production-smoke"),
        catalogued("looks", "production-smoke"),
        catalogued("writes"),
    )
    return assess(run(*results, features=(feature(*titles),), scope="production-smoke", selection="-m ..."))


def test_a_run_that_only_reads_is_not_blamed_for_what_it_leaves_out() -> None:
    found = _smoke(
        result("reads", Status.PASSED, "production-smoke"), result("looks", Status.PASSED, "production-smoke")
    )

    assert found.verdict is Verdict.PASSED
    assert found.remarks == ("Only what is tagged production-smoke was asked for; 1 other scenario was not.",)


def test_it_is_blamed_for_a_scenario_that_it_should_have_run() -> None:
    found = _smoke(result("reads", Status.PASSED, "production-smoke"))

    assert found.verdict is Verdict.INCOMPLETE
    assert "1 scenario did not run." in found.reasons


def test_what_fails_counts_whether_it_was_asked_for_or_not() -> None:
    found = _smoke(
        result("reads", Status.PASSED, "production-smoke"),
        result("looks", Status.PASSED, "production-smoke"),
        result("writes", Status.FAILED),
    )

    assert found.verdict is Verdict.FAILED
