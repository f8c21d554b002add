"""Two environments side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import ConfigurationError
from evidence.fidelity import Explanation, Owner, compare_environments, read_explanations
from evidence.fidelity_report import in_words, write_fidelity
from evidence.model import DeploymentSummary, Run, Status
from tests.evidence.runs import result, run

_PASSED, _FAILED, _LACKING = Status.PASSED, Status.FAILED, Status.NOT_EXERCISED
_LACKS = Explanation(
    environment="kind", capability="monitoring", owner=Owner.OPEN, reason="There is no Prometheus."
)
_SLOW = Explanation(
    environment="kind", scenario="It is quick", owner=Owner.KUBELET, reason="Nodes take a minute."
)


def _embedded(*ends: Status, **more: object) -> Run:
    return _run("embedded", *ends, **more)


def _kind(*ends: Status, **more: object) -> Run:
    return _run("kind", *ends, **more)


def _run(environment: str, *ends: Status, **more: object) -> Run:
    titles = ("It is watched", "It is quick", "It is there")
    tags = (("needs-monitoring",), (), ())
    results = [result(title, end, *tag) for title, end, tag in zip(titles, ends, tags, strict=False)]
    return run(*results, environment=environment, **more)


def test_what_an_environment_lacks_is_explained_by_its_capability() -> None:
    found = compare_environments(_embedded(_PASSED), _kind(_LACKING), [_LACKS])
    (row,) = found.differing
    assert (row.ends, row.explanation) == (("passed", "not exercised"), _LACKS)
    assert found.unexplained == ()
    assert found.stale == ()


def test_a_failure_is_not_explained_by_a_capability() -> None:
    found = compare_environments(_embedded(_PASSED), _kind(_FAILED), [_LACKS])
    assert [row.scenario for row in found.unexplained] == ["It is watched"]
    assert found.stale == (_LACKS,)


def test_a_scenario_is_explained_by_its_title_in_the_environment_that_is_meant() -> None:
    ends = (_PASSED, _FAILED, _PASSED)
    assert compare_environments(_embedded(*[_PASSED] * 3), _kind(*ends), [_SLOW]).unexplained == ()
    found = compare_environments(_embedded(*ends), _kind(*[_PASSED] * 3), [_SLOW])
    assert [row.scenario for row in found.unexplained] == ["It is quick"]


def test_a_scenario_that_only_one_run_knows_is_a_difference() -> None:
    found = compare_environments(_embedded(_PASSED, _PASSED), _kind(_PASSED), [])
    (row,) = found.differing
    assert row.ends == ("passed", "not in this run")


def test_figures_stand_beside_each_other_and_none_is_invented() -> None:
    told = DeploymentSummary(outcome="deployed", seconds=20.0, ready_seconds=5.0)
    others = DeploymentSummary(outcome="deployed", seconds=50.0)
    found = compare_environments(
        _embedded(_PASSED, deployment=told, memory_bytes=2**30), _kind(_PASSED, deployment=others), []
    )
    figures = {each.name: (each.values, each.ratio) for each in found.figures}
    assert figures["Deployment"] == ((20.0, 50.0), 2.5)
    assert figures["Until the environment was ready"] == ((5.0, None), None)
    assert figures["Memory at the end"] == ((2**30, None), None)


_ends = st.lists(st.sampled_from([_PASSED, _FAILED, _LACKING]), min_size=3, max_size=3)


@given(_ends, _ends)
def test_both_are_compared_alike_whichever_comes_first(one: list[Status], other: list[Status]) -> None:
    there = compare_environments(_embedded(*one), _kind(*other), [_LACKS, _SLOW])
    back = compare_environments(_kind(*other), _embedded(*one), [_LACKS, _SLOW])
    assert {row.scenario for row in there.differing} == {row.scenario for row in back.differing}
    assert {row.scenario for row in there.unexplained} == {row.scenario for row in back.unexplained}
    assert there.stale == back.stale
    assert len(there.differing) == sum(a != b for a, b in zip(one, other, strict=True))


def test_the_page_and_the_words_name_what_is_not_explained(tmp_path: Path) -> None:
    found = compare_environments(
        _embedded(_PASSED, _PASSED, _PASSED), _kind(_LACKING, _FAILED, _PASSED), [_LACKS]
    )
    page = write_fidelity(found, tmp_path / "fidelity.html").read_text()
    assert "Differences without an explanation" in page
    assert "There is no Prometheus." in page
    assert "not recorded" in page
    assert list(in_words(found)) == [
        "embedded and kind: 1 of 3 scenarios ended alike, 2 did not.",
        "  not explained: It is quick (embedded: passed, kind: failed)",
    ]


def test_the_project_s_own_explanations_can_be_read() -> None:
    file = Path(__file__).parents[2] / "docs" / "fidelity.toml"
    assert {each.environment for each in read_explanations(file)} <= {"embedded", "kind"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (
            '[[explanations]]\nenvironment = "kind"\nowner = "open"\nreason = "x"',
            "either scenario or capability",
        ),
        (
            '[[explanations]]\nenvironment = "kind"\nscenario = "x"\nowner = "him"\nreason = "x"',
            "explanations, 0, owner",
        ),
        ("explanations = [", "Invalid value"),
    ],
)
def test_explanations_of_another_form_are_refused_by_name(tmp_path: Path, text: str, seen: str) -> None:
    file = tmp_path / "fidelity.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="fidelity") as raised:
        read_explanations(file)
    assert seen in raised.value.seen
