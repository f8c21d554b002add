"""Why scenarios end otherwise in one environment than in another, as it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from deployer.errors import ConfigurationError
from environments.protocol import Capability
from evidence.explanations import Explanation, Owner, read_explanations
from evidence.model import ScenarioResult, Status
from tests.evidence.runs import result, run

_FEATURE = "features/a.feature"


def _explanation(**more: object) -> Explanation:
    given = {"environment": "kind", "owner": Owner.OPEN, "reason": "It is so."}
    return Explanation.model_validate(given | more)


def _fits(
    explanation: Explanation,
    scenario: ScenarioResult,
    capabilities: tuple[str, ...] | None = ("rotation",),
    environment: str = "kind",
) -> bool:
    return explanation.fits(run(scenario, environment=environment, capabilities=capabilities), scenario)


def test_the_capability_that_is_lacking_explains_and_the_one_that_is_there_does_not() -> None:
    both = result("It is watched", Status.NOT_EXERCISED, "needs-rotation", "needs-monitoring")

    assert _fits(_explanation(capability=Capability.MONITORING), both)
    assert not _fits(_explanation(capability=Capability.ROTATION), both)


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.NOT_EXERCISED])
def test_a_capability_explains_nothing_but_what_was_not_exercised(status: Status) -> None:
    assert not _fits(
        _explanation(capability=Capability.MONITORING), result("It is watched", status, "needs-monitoring")
    )


def test_a_capability_that_nobody_recorded_is_not_taken_for_lacking() -> None:
    scenario = result("It is watched", Status.NOT_EXERCISED, "needs-monitoring")

    assert not _fits(_explanation(capability=Capability.MONITORING), scenario, capabilities=None)


def test_an_explanation_is_of_its_own_environment_under_whatever_name() -> None:
    one, scenario = _explanation(scenario="It is quick"), result("It is quick", Status.FAILED)

    assert _fits(one, scenario, environment="kind:other")
    assert not _fits(one, scenario, environment="embedded")


@pytest.mark.parametrize("subject", [{"scenario": "It is watched"}, {"capability": Capability.MONITORING}])
def test_a_feature_tells_scenarios_of_one_title_apart(subject: dict[str, str]) -> None:
    one = _explanation(feature=_FEATURE, **subject)
    here, elsewhere = (
        result("It is watched", Status.NOT_EXERCISED, "needs-monitoring", file=file)
        for file in ("a.feature", "b.feature")
    )

    assert _fits(one, here)
    assert not _fits(one, elsewhere)


@pytest.mark.parametrize(
    ("title", "example"),
    [("Keys", "Keys (gone, late)"), ("A key is <how>", "A key is gone (late)")],
)
def test_an_example_is_named_as_the_comparison_shows_it(title: str, example: str) -> None:
    one = _explanation(scenario=title, example=example)
    this, that = (
        result(title, Status.FAILED, example={"how": how, "when": "late"}) for how in ("gone", "old")
    )

    assert _fits(one, this)
    assert not _fits(one, that)


def test_a_narrower_explanation_goes_before_a_wider_one() -> None:
    wide_to_narrow = [
        _explanation(capability=Capability.MONITORING),
        _explanation(capability=Capability.MONITORING, feature=_FEATURE),
        _explanation(scenario="Keys"),
        _explanation(scenario="Keys", feature=_FEATURE),
        _explanation(scenario="Keys", example="Keys (a)"),
        _explanation(scenario="Keys", example="Keys (a)", feature=_FEATURE),
    ]

    narrow_to_wide = wide_to_narrow[::-1]
    assert sorted(narrow_to_wide, key=lambda each: each.narrowness) == wide_to_narrow


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ({"capability": "monitoring"}, "capability monitoring in kind"),
        ({"scenario": "Keys"}, "scenario 'Keys' in kind"),
        ({"scenario": "Keys", "feature": _FEATURE}, "scenario 'Keys' of features/a.feature in kind"),
        ({"scenario": "Keys", "example": "Keys (a)"}, "scenario 'Keys', example 'Keys (a)' in kind"),
    ],
)
def test_the_subject_says_all_that_was_narrowed(subject: dict[str, str], words: str) -> None:
    assert _explanation(**subject).subject == words


@pytest.mark.parametrize(
    "subject",
    [{}, {"scenario": "x", "capability": "monitoring"}, {"capability": "monitoring", "example": "x"}],
)
def test_an_explanation_has_one_subject(subject: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"either scenario or capability|an example only"):
        _explanation(**subject)


def test_the_project_s_own_explanations_can_be_read() -> None:
    file = Path(__file__).parents[2] / "docs" / "fidelity.toml"
    assert {each.environment for each in read_explanations(file)} <= {"embedded", "kind"}


def _entry(*lines: str, reason: str = "x") -> str:
    return "\n".join(
        ("[[explanations]]", 'environment = "kind"', 'owner = "open"', f'reason = "{reason}"', *lines, "")
    )


_KEYS = 'scenario = "Keys"'


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (_entry(), ["explanations, 0", "either scenario or capability"]),
        (_entry(_KEYS).replace("open", "him"), ["explanations, 0, owner", "'him'"]),
        ("explanations = [", ["Invalid value"]),
        (
            _entry('capability = "luck"'),
            ["explanations, 0, capability", "'luck'", *map(str, Capability)],
        ),
        (_entry(_KEYS, 'feature = "a.feature"'), ["explanations, 0, feature", "'a.feature'", "^features/"]),
        (
            _entry(_KEYS, reason="slow") + _entry('capability = "grafana"') + _entry(_KEYS, reason="old"),
            ["explanations, 0 (slow)", "explanations, 2 (old)", "scenario 'Keys' in kind"],
        ),
    ],
    ids=["no subject", "no owner", "no TOML", "no capability", "no feature", "one subject twice"],
)
def test_explanations_of_another_form_are_refused_by_name(tmp_path: Path, text: str, seen: list[str]) -> None:
    file = tmp_path / "fidelity.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match="fidelity") as raised:
        read_explanations(file)

    assert [each for each in seen if each not in raised.value.seen] == []


def test_what_is_narrowed_otherwise_is_another_subject(tmp_path: Path) -> None:
    file = tmp_path / "fidelity.toml"
    file.write_text(
        _entry(_KEYS)
        + _entry(_KEYS, f'feature = "{_FEATURE}"')
        + _entry(_KEYS, 'example = "Keys (a)"')
        + _entry(_KEYS).replace("kind", "embedded")
    )

    assert len(read_explanations(file)) == 4
