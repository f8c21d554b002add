"""Each rule of the lint finds the defect that is planted for it, and nothing in what is right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_bdd import parsers

from evidence.catalogue import read_features
from evidence.criteria import Criterion
from features.lint import Subject, findings, main, planned
from features.step_definitions import StepDefinition, step_definitions, step_modules
from features.tags import needed_capabilities, registered

CRITERIA = (
    Criterion(id="P1.1", section="s", text="kept", status="required"),
    Criterion(id="P9.9", section="s", text="later", status="planned"),
)

RIGHT = """\
Feature: Keys
  A key is enabled for as long as anything is encrypted with it.

  @P1.1
  Scenario: A key is enabled
    Given a key
    When the key is examined
    Then it is enabled

  @P1.1 @needs-etcd-access @production-smoke
  Scenario Outline: A key <does not serve>
    Given a key
    When the key <does not serve>
    Then it is "refused" within 300 seconds, in version 3.12:
      | why              |
      | <does not serve> |

    Examples:
      | does not serve |
      | is disabled    |
      | is gone        |
"""


def definition(kind: str | None, pattern: str, place: str = "steps/keys.py:1") -> StepDefinition:
    return StepDefinition(kind, parsers.parse(pattern), place)


DEFINITIONS = (
    definition("given", "a key"),
    definition("when", "the key is {what}"),
    definition("then", "it is enabled"),
    definition("then", 'it is "{what}" within {seconds:d} seconds, in version 3.12:'),
)


def found(
    tmp_path: Path, text: str, *more: str, definitions: tuple[StepDefinition, ...] = DEFINITIONS
) -> list[str]:
    for number, content in enumerate((text, *more)):
        (tmp_path / f"{number}.feature").write_text(content)
    return [str(each) for each in findings(Subject(read_features(tmp_path), definitions, CRITERIA))]


def test_what_is_right_is_left_alone(tmp_path: Path) -> None:
    assert found(tmp_path, RIGHT) == []


@pytest.mark.parametrize(
    ("right", "defect", "finding"),
    [
        ("@P1.1\n", "@P1.1 @slow\n", "0.feature:5: there is no tag slow"),
        ("@P1.1\n", "@P1.1 @P7.7\n", "0.feature:5: there is no criterion P7.7"),
        ("@P1.1\n", "@P1.1 @needs-luck\n", "0.feature:5: there is no tag needs-luck"),
        ("@P1.1\n", "@production-smoke\n", '0.feature:5: "A key is enabled" carries no criterion'),
        ("@P1.1", "@P9.9", "criteria.toml: no scenario carries P1.1: kept"),
        (
            RIGHT[RIGHT.index("    Examples") :],
            "",
            '0.feature:11: the outline "A key <does not serve>" has no examples',
        ),
        ("      | is disabled    |\n      | is gone        |\n", "", "0.feature:11: the outline"),
        (
            "      | is gone        |\n",
            "      | is disabled    |\n",
            "0.feature:11: an example is there twice",
        ),
        ("<does not serve>", "<serves>", "0.feature:11: the examples have no column serves"),
        ("<does not serve>", "is disabled", "0.feature:11: no step uses the column does not serve"),
        (
            "a key\n    When the key is e",
            "a lock\n    When the key is e",
            '0.feature:6: no step definition for given "a lock"',
        ),
        ("is gone ", "was gone", '0.feature:13: no step definition for when "the key was gone"'),
        (
            "    Then it is enabled",
            "    When the key is used\n    Then it is enabled",
            '0.feature:5: "A key is enabled" has 2 When steps instead of one',
        ),
        (
            "When the key is examined\n",
            "When the key is examined\n    And the key is used\n",
            '0.feature:5: "A key is enabled" has 2 When steps instead of one',
        ),
        (
            "    When the key is examined\n",
            "",
            '0.feature:5: "A key is enabled" has 0 When steps instead of one',
        ),
        ("    Then it is enabled\n", "", '0.feature:5: "A key is enabled" has no Then'),
        (
            "    Given a key\n    When the key is examined\n",
            "    When the key is examined\n    Given a key\n",
            '0.feature:5: "A key is enabled" is not in the order Given, When, Then',
        ),
        (
            "is examined",
            "is arn:aws:kms:us-east-1:0:key/1",
            "0.feature:7: an ARN does not belong into a feature file",
        ),
        ("is examined", "is on port 443", "0.feature:7: a port does not belong into a feature file"),
        ("is examined", "is at localhost:443", "0.feature:7: a port does not belong into a feature file"),
        (
            "is examined",
            "is at https://mita.finance",
            "0.feature:7: an address does not belong into a feature file",
        ),
        ("is examined", "is at 10.64.0.1", "0.feature:7: an address does not belong into a feature file"),
        (
            "is examined",
            "is examined after a sleep",
            "0.feature:7: a sleep does not belong into a feature file",
        ),
        (
            "is gone        |",
            "is asleep, sleep |",
            "0.feature:13: a sleep does not belong into a feature file",
        ),
        (
            "| why              |",
            "| arn:aws:kms::1:a |",
            "0.feature:14: an ARN does not belong into a feature file",
        ),
        (
            "When the key is examined\n",
            'When the key is examined\n      """\n      kind: Secret\n      """\n',
            "0.feature:7: YAML does not belong into a feature file",
        ),
        (
            "When the key is examined\n",
            'When the key is examined\n      """\n      some words\n      """\n',
            "0.feature:7: use a table instead of a text block",
        ),
        (
            "  A key is enabled for as long as anything is encrypted with it.\n",
            "",
            '0.feature:1: "Keys" does not open with its rule in prose',
        ),
    ],
)
def test_a_planted_defect_is_found(tmp_path: Path, right: str, defect: str, finding: str) -> None:
    assert right in RIGHT

    assert any(each.startswith(finding) for each in found(tmp_path, RIGHT.replace(right, defect)))


def test_a_title_that_is_there_twice_is_found_in_one_file_and_across_files(tmp_path: Path) -> None:
    again = RIGHT[RIGHT.index("  @P1.1") : RIGHT.index("  @P1.1 @needs")]

    within = found(tmp_path, RIGHT + "\n" + again)
    assert within == ['0.feature:24: the title "A key is enabled" is already that of 0.feature:5']

    other = "Feature: Locks\n  A lock is no key, though it may look like one.\n\n" + again.replace(
        "A key is", "A KEY is"
    )
    across = found(tmp_path, RIGHT, other)
    assert across == ['1.feature:5: the title "A KEY is enabled" is already that of 0.feature:5']


def test_a_step_that_two_definitions_match_is_found(tmp_path: Path) -> None:
    again = definition("when", "the {thing} is examined", "steps/locks.py:9")

    (finding,) = found(tmp_path, RIGHT, definitions=(*DEFINITIONS, again))

    assert finding == '0.feature:7: "the key is examined" is ambiguous: steps/keys.py:1, steps/locks.py:9'


def test_a_definition_of_another_kind_is_not_ambiguous_but_one_for_all_kinds_is(tmp_path: Path) -> None:
    assert found(tmp_path, RIGHT, definitions=(*DEFINITIONS, definition("given", "it is enabled")))[
        0
    ].endswith('no step uses given "it is enabled"')
    assert (
        "ambiguous"
        in found(tmp_path, RIGHT, definitions=(*DEFINITIONS, definition(None, "it is enabled")))[0]
    )


def test_a_definition_that_no_step_uses_is_found(tmp_path: Path) -> None:
    unused = definition("then", "it is disabled", "steps/keys.py:7")

    assert found(tmp_path, RIGHT, definitions=(*DEFINITIONS, unused)) == [
        'steps/keys.py:7: no step uses then "it is disabled"'
    ]


def test_definitions_are_found_in_every_module_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_up_steps"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "keys.py").write_text(
        "from pytest_bdd import given, parsers, when\n\n"
        "@given('a key')\ndef key():\n    pass\n\n"
        "@when(parsers.parse('it is {state}'))\ndef state(state):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import made_up_steps  # type: ignore[import-not-found]  # noqa: PLC0415  it is written above

    made = sorted((each.kind, each.parser.name) for each in step_definitions(step_modules(made_up_steps)))

    assert made == [("given", "a key"), ("when", "it is {state}")]


def test_planned_promises_are_told(tmp_path: Path) -> None:
    (tmp_path / "0.feature").write_text(RIGHT)
    assert planned(CRITERIA, read_features(tmp_path)) == ["P9.9"]

    (tmp_path / "0.feature").write_text(RIGHT.replace("@P1.1 @needs", "@P9.9 @needs"))
    assert planned(CRITERIA, read_features(tmp_path)) == []


def test_a_file_that_is_no_feature_ends_the_lint_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.feature").write_text("Scenario: without a feature")

    assert main(tmp_path) == 1
    assert "broken.feature" in capsys.readouterr().err


def test_the_projects_own_features_are_right() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "features.lint"], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""
    assert done.returncode == 0
    assert " 0 findings" in done.stdout


def test_every_capability_has_a_tag_and_no_other_is_known() -> None:
    tags = registered(CRITERIA)

    others = {tag for tag in tags if not tag.startswith("needs-")}
    assert others == {"P1.1", "P9.9", "chaos", "production-smoke"}
    assert needed_capabilities(["P1.1", "needs-etcd-access"]) == {"etcd-access"}
    with pytest.raises(ValueError, match="luck"):
        needed_capabilities(["needs-luck"])
