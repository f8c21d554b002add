"""Two environments side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import ConfigurationError
from environments.protocol import Capability
from evidence.explanations import Explanation, Owner
from evidence.fidelity import compare_environments
from evidence.fidelity_report import in_words, write_fidelity
from evidence.ledger import Hop, HopFigures, LedgerTable
from evidence.model import DeploymentSummary, Run, Status
from evidence.observation import Observed
from tests.evidence.runs import result, run

_PASSED, _FAILED, _LACKING = Status.PASSED, Status.FAILED, Status.NOT_EXERCISED
_LACKS = Explanation(
    environment="kind", capability=Capability.MONITORING, owner=Owner.OPEN, reason="There is no Prometheus."
)
_SLOW = Explanation(
    environment="kind", scenario="It is quick", owner=Owner.KUBELET, reason="Nodes take a minute."
)


def _embedded(*ends: Status, **more: object) -> Run:
    return _run("embedded", *ends, **{"capabilities": ("monitoring", "notifications", "rotation")} | more)


def _kind(*ends: Status, **more: object) -> Run:
    return _run("kind", *ends, **{"capabilities": ("rotation",)} | more)


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


def test_a_scenario_that_needs_two_capabilities_is_explained_by_the_one_that_is_lacking() -> None:
    present = _LACKS.model_copy(update={"capability": Capability.ROTATION})
    one, other = (
        run(
            result("It is rotated", end, "needs-rotation", "needs-monitoring"),
            environment=environment,
            capabilities=capabilities,
        )
        for environment, end, capabilities in (
            ("embedded", _PASSED, ("monitoring", "rotation")),
            ("kind", _LACKING, ("rotation",)),
        )
    )

    found = compare_environments(one, other, [present])
    assert [row.scenario for row in found.unexplained] == ["It is rotated"]
    assert found.stale == (present,)
    assert compare_environments(one, other, [present, _LACKS]).differing[0].explanation == _LACKS


def test_the_narrowest_explanation_is_shown_and_a_wider_one_that_fits_too_is_not_stale() -> None:
    narrow = _SLOW.model_copy(update={"feature": "features/a.feature", "reason": "Here it is otherwise."})
    ends = (_PASSED, _FAILED)
    found = compare_environments(_embedded(_PASSED, _PASSED), _kind(*ends), [_SLOW, narrow])
    assert [row.explanation for row in found.differing] == [narrow]
    assert found.stale == ()


def test_what_explains_only_a_scenario_that_ends_alike_again_is_stale() -> None:
    found = compare_environments(_embedded(_PASSED, _PASSED), _kind(_PASSED, _PASSED), [_SLOW])
    assert found.stale == (_SLOW,)
    assert [*in_words(found)][1:] == ["  explains nothing any more: scenario 'It is quick' in kind"]


def test_a_run_from_before_capabilities_were_recorded_says_why_none_explains() -> None:
    found = compare_environments(_embedded(_PASSED), _kind(_LACKING, capabilities=None), [_LACKS])
    assert [row.scenario for row in found.unexplained] == ["It is watched"]
    assert found.unrecorded == ("kind",)
    assert any("does not say what kind can show" in line for line in in_words(found))


def test_runs_without_a_scenario_in_common_cannot_be_compared() -> None:
    other = run(result("It is quick", _PASSED, file="b.feature"), environment="kind")
    with pytest.raises(ConfigurationError, match="nothing was compared"):
        compare_environments(_embedded(_PASSED, _PASSED), other, [])


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


def _table(bound: float | None, median: float, longest: float, hop: Hop = Hop.END_TO_END) -> LedgerTable:
    figures = HopFigures(hop=hop, seen=2, missing=0, p50=median, p95=longest, max=longest)
    return LedgerTable(bound=bound, hops=(figures,), rotations=())


def test_a_new_value_s_way_is_shown_for_each_bound_that_either_run_promises() -> None:
    one = _embedded(_PASSED, observed=Observed(ledger=(_table(2, 0.5, 1), _table(30, 8, 20))))
    other = _kind(
        _PASSED,
        observed=Observed(ledger=(_table(2, 1, 1.5), _table(120, 60, 90), _table(None, 300, 400))),
    )

    found = compare_environments(one, other, [])

    ways = {
        way.bound: {each.name: each.values for each in way.figures if each.name.startswith(Hop.END_TO_END)}
        for way in found.propagation
    }
    median, longest = f"{Hop.END_TO_END}, median", f"{Hop.END_TO_END}, longest"
    assert ways == {
        2: {median: (0.5, 1.0), longest: (1.0, 1.5)},
        30: {median: (8.0, None), longest: (20.0, None)},
        120: {median: (None, 60.0), longest: (None, 90.0)},
    }
    assert [way.bound for way in found.propagation] == [2, 30, 120]
    assert all(len(way.figures) == 2 * len(Hop) for way in found.propagation)


def test_a_hop_that_neither_run_saw_has_no_figure() -> None:
    one = _embedded(_PASSED, observed=Observed(ledger=(_table(2, 0.5, 1),)))
    (way,) = compare_environments(one, _kind(_PASSED), []).propagation
    others = [each for each in way.figures if not each.name.startswith(Hop.END_TO_END)]
    assert {each.values for each in others} == {(None, None)}


def test_without_rotations_there_is_no_way_to_show() -> None:
    assert compare_environments(_embedded(_PASSED), _kind(_PASSED), []).propagation == ()


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
    told = Observed(ledger=(_table(2, 0.5, 1), _table(30, 8, 20)))
    found = compare_environments(
        _embedded(_PASSED, _PASSED, _PASSED, observed=told), _kind(_LACKING, _FAILED, _PASSED), [_LACKS]
    )
    page = write_fidelity(found, tmp_path / "fidelity.html").read_text()
    assert "Differences without an explanation" in page
    assert "There is no Prometheus." in page
    assert "not recorded" in page
    assert [page.count(f"within {bound}") for bound in ("2.0 s", "30.0 s", "120.0 s")] == [1, 1, 0]
    assert list(in_words(found)) == [
        "embedded and kind: 1 of 3 scenarios ended alike, 2 did not.",
        "  not explained: It is quick (embedded: passed, kind: failed)",
    ]
