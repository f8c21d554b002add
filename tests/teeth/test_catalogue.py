"""Every planted defect can be planted, and names a scenario and a step that exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from evidence.catalogue import read_features
from features.tags import DIRECTORY
from teeth.defect import Defect
from teeth.defects import DEFECTS

_ROOT = DIRECTORY.parent


def _named(defect: Defect) -> str:
    return defect.name


def test_names_are_there_once() -> None:
    names = [defect.name for defect in DEFECTS]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("defect", DEFECTS, ids=_named)
def test_the_text_to_change_is_there_once(defect: Defect) -> None:
    for edit in defect.edits:
        assert (_ROOT / edit.file).read_text().count(edit.right) == 1, edit.file
        assert edit.wrong != edit.right


@pytest.mark.parametrize("defect", DEFECTS, ids=_named)
def test_the_scenario_and_its_step_exist(defect: Defect) -> None:
    found = [
        scenario
        for feature in read_features(DIRECTORY)
        for scenario in feature.scenarios
        if scenario.title == defect.scenario
    ]
    assert len(found) == 1
    rows = [tuple(row.values()) for row in found[0].examples]
    assert defect.example in rows if rows else not defect.example
    row = next((row for row in found[0].examples if tuple(row.values()) == defect.example), {})
    steps = [step.text for step in found[0].steps_of(row)]
    assert defect.step
    assert [text for text in steps if text.startswith(defect.step)], steps


@pytest.mark.parametrize("defect", DEFECTS, ids=_named)
def test_only_what_is_judged_is_changed(defect: Defect) -> None:
    """A defect in a scenario or its steps would say nothing about either."""
    for edit in defect.edits:
        assert Path(edit.file).parts[0] not in ("features", "steps", "tests", "teeth")
