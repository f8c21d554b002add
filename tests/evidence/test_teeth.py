"""The score of planted defects."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from evidence.surroundings import Bite, Outcome, Score
from evidence.teeth import TEETH_FILE, digest_of_sources, load_score, save_score
from features.tags import DIRECTORY
from tests.evidence.runs import WHEN


def _score(*outcomes: Outcome, sound: bool = True) -> Score:
    bites = tuple(
        Bite(defect=f"defect {number}", scenario="A", step="it holds", outcome=outcome)
        for number, outcome in enumerate(outcomes)
    )
    return Score(measured=WHEN, sources="of then", sound=sound, bites=bites)


def test_a_score_is_whole_when_every_defect_was_noticed() -> None:
    assert _score(Outcome.NOTICED, Outcome.NOTICED).whole


@pytest.mark.parametrize("other", [Outcome.SURVIVED, Outcome.ELSEWHERE, Outcome.NOT_TRIED])
def test_one_defect_that_was_not_noticed_spoils_it(other: Outcome) -> None:
    assert not _score(Outcome.NOTICED, other).whole


def test_nothing_tried_is_no_score() -> None:
    assert not _score().whole


def test_scenarios_that_fail_anyway_make_no_score() -> None:
    assert not _score(Outcome.NOTICED, sound=False).whole


def test_a_score_is_read_as_it_was_written(tmp_path: Path) -> None:
    score = _score(Outcome.NOTICED, Outcome.SURVIVED)

    save_score(score, tmp_path)

    assert load_score(tmp_path) == score


def test_no_score_is_none(tmp_path: Path) -> None:
    assert load_score(tmp_path) is None


def test_a_broken_score_is_named(tmp_path: Path) -> None:
    (tmp_path / TEETH_FILE).write_text("{}")

    with pytest.raises(ConfigurationError, match="tox run -e teeth"):
        load_score(tmp_path)


def test_the_digest_is_of_what_decides(tmp_path: Path) -> None:
    for name in ("conftest.py", "pyproject.toml", "uv.lock"):
        (tmp_path / name).write_text("")
    source = tmp_path / "steps" / "a.py"
    source.parent.mkdir()
    source.write_text("one")
    first = digest_of_sources(tmp_path)
    (tmp_path / "README.md").write_text("not this")
    assert digest_of_sources(tmp_path) == first

    source.write_text("two")

    assert digest_of_sources(tmp_path) != first


def test_the_digest_of_this_project_is_the_same_twice() -> None:
    assert digest_of_sources(DIRECTORY.parent) == digest_of_sources(DIRECTORY.parent)
