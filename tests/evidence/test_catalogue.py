from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from evidence.catalogue import read_features
from evidence.criteria import load_criteria

FEATURE = """\
@slow
Feature: Keys
  A key is what it is said to be.

  Background:
    Given a system

  Scenario: One key
    When a key is read
    And another
    Then it is good:
      | key | state |
      | a   | b     |

  @P1.2
  Scenario Outline: Some keys
    When "<key>" is read
    Then it is good

    @production-smoke
    Examples:
      | key |
      | a   |
      | b   |

  Rule: Locked
    Background:
      Given a lock
    @P1.3
    Scenario: A locked key
      * it is "locked"
      When it is read
"""


def test_every_scenario_is_catalogued_with_what_it_inherits(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "keys.feature").write_text(FEATURE)

    (feature,) = read_features(tmp_path)

    assert (feature.file, feature.name, feature.line) == ("sub/keys.feature", "Keys", 2)
    assert feature.description == "A key is what it is said to be."
    one, some, locked = feature.scenarios
    assert [(step.keyword, step.kind, step.text) for step in one.steps] == [
        ("Given", "given", "a system"),
        ("When", "when", "a key is read"),
        ("And", "when", "another"),
        ("Then", "then", "it is good:"),
    ]
    assert one.steps[-1].table == (("key", "state"), ("a", "b"))
    assert list(one.instances()) == [{}]
    assert some.tags == ("slow", "P1.2", "production-smoke")
    assert list(some.instances()) == [{"key": "a"}, {"key": "b"}]
    assert locked.tags == ("slow", "P1.3")
    assert [step.text for step in locked.steps] == ["a system", "a lock", 'it is "locked"', "it is read"]
    assert locked.steps[2].kind == "given"


@pytest.mark.parametrize(
    "text", ["Scenario: no feature\n", "", "Feature: x\n  Scenario: y\n    Given z\n  garbage", "\0"]
)
def test_a_file_that_is_no_feature_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.feature").write_text(text)

    with pytest.raises(ConfigurationError, match=r"broken\.feature"):
        read_features(tmp_path)


ENTRY = '[[criterion]]\nid = "P1.1"\nsection = "s"\ntext = "t"\nstatus = "required"\n'


def test_the_promises_are_read_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "criteria.toml"
    file.write_text(ENTRY + ENTRY.replace("P1.1", "C9").replace("required", "planned"))

    assert [(criterion.id, criterion.status) for criterion in load_criteria(file)] == [
        ("P1.1", "required"),
        ("C9", "planned"),
    ]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (ENTRY + ENTRY, "P1.1 twice"),
        (ENTRY.replace("P1.1", "one"), "id"),
        (ENTRY.replace("required", "wanted"), "status"),
        (ENTRY + "since = 3\n", "since"),
        ("criterion = 1", "criterion"),
        ("[[other]]", "other"),
        ("[[", "end of document"),
    ],
)
def test_a_malformed_promise_is_refused(tmp_path: Path, text: str, seen: str) -> None:
    file = tmp_path / "criteria.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError) as caught:
        load_criteria(file)
    assert seen in caught.value.seen


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="absent"):
        load_criteria(tmp_path / "absent.toml")
