import dataclasses
import stat
from pathlib import Path

import pytest

from deployer.changes import Action, Change, Difference
from deployer.errors import ConfigurationError, RefusedError
from deployer.plan import Plan, load, require_fresh

CREATE = Change(Action.CREATE, 1, "secret", "a", "there is no such secret", (Difference("key", "1", "2"),))
NOTHING = Change(Action.NONE, 1, "secret", "b", "as desired")
DESTROY = Change(Action.DESTROY, 1, "secret", "c", "no longer declared")
REPLACE = Change(Action.REPLACE, 3, "secret-value", "database/primary", "password is a placeholder")


def plan(*changes: Change, **more: object) -> Plan:
    defaults: dict[str, object] = {
        "through": 4,
        "account": "000000000000",
        "cluster": "mita-production",
        "desired": "d",
        "observed": {"1/secret/b": "x"},
    }
    return Plan(**{**defaults, **more}, changes=changes)  # type: ignore[arg-type]  # the keywords vary


def test_what_is_right_is_listed_and_not_pending() -> None:
    assert plan(CREATE, NOTHING).pending == (CREATE,)
    assert plan(NOTHING).pending == ()


def test_a_loss_is_refused_unless_named() -> None:
    with pytest.raises(RefusedError) as caught:
        plan(CREATE, DESTROY, REPLACE).require_allowed()
    assert "destroy secret/c (no longer declared)" in caught.value.seen
    assert "--allow-destroy secret/c" in caught.value.remedy
    assert "--replace-secret database/primary" in caught.value.remedy
    assert "secret/a" not in caught.value.seen


def test_losses_are_allowed_one_by_one() -> None:
    with pytest.raises(RefusedError) as caught:
        plan(DESTROY, REPLACE, allowed=frozenset({"secret/c"})).require_allowed()
    assert "secret/c" not in caught.value.seen
    plan(DESTROY, REPLACE, allowed=frozenset({"secret/c", "secret-value/database/primary"})).require_allowed()


def test_a_saved_plan_is_read_back_and_private(tmp_path: Path) -> None:
    saved = plan(CREATE, NOTHING, allowed=frozenset({"secret/c"}))
    saved.save(tmp_path / "plan.json")
    assert load(tmp_path / "plan.json") == saved
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', "not json"])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"a plan that `mita plan --out` wrote"):
        load(file)


def test_a_plan_that_cannot_be_saved_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(ConfigurationError):
        plan().save(tmp_path / "plan.json")
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_the_same_state_is_fresh() -> None:
    require_fresh(plan(CREATE), plan(CREATE))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("observed", {"1/secret/b": "y"}, "1/secret/b"),
        ("observed", {}, "1/secret/b"),
        ("observed", {"1/secret/b": "x", "1/secret/a": "z"}, "1/secret/a"),
        ("desired", "e", "the desired state"),
        ("account", "1", "the AWS account"),
        ("cluster", "c", "the cluster"),
        ("changes", (DESTROY,), "what has to be done"),
    ],
)
def test_a_stale_plan_is_refused_by_name(field: str, value: object, named: str) -> None:
    now = dataclasses.replace(plan(CREATE), **{field: value})  # type: ignore[arg-type]  # the field varies
    with pytest.raises(RefusedError) as caught:
        require_fresh(plan(CREATE), now)
    assert named in caught.value.seen
