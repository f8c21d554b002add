"""A plan as a person reads it."""

from deployer.changes import Action, Change, Difference
from deployer.desired import read
from deployer.plan import Plan
from deployer.plan_text import describe

DESIRED = read()


def lines(*changes: Change) -> list[str]:
    plan = Plan(
        through=2, account="000000000000", cluster="mita-production", desired="", observed={}, changes=changes
    )
    return [line.text for line in describe(plan, DESIRED)]


def test_every_object_stands_under_its_phase_with_what_is_done_and_why() -> None:
    rotation = Difference("rotation_days", "null", "365")
    new = Difference("description", "(absent)", '"made of many properties"')
    assert lines(
        Change(Action.UPDATE, 1, "kms-key", "alias/a", "differs in rotation_days", (rotation,)),
        Change(Action.CREATE, 1, "secret", "a/b", "there is no such secret", (new,)),
        Change(Action.DESTROY, 1, "secret", "a/c", "production.toml no longer declares it"),
        Change(Action.REPLACE, 2, "manifest", "m", "cannot be changed"),
        Change(Action.NONE, 2, "helm-release", "external-secrets", "as desired"),
    ) == [
        "Plan through phase 2 (External Secrets Operator) for account 000000000000, cluster mita-production",
        "",
        "Phase 1: AWS infrastructure",
        "  ~ update    kms-key/alias/a: differs in rotation_days",
        "      rotation_days: null -> 365",
        "  + create    secret/a/b: there is no such secret",
        "  - destroy   secret/a/c: production.toml no longer declares it",
        "",
        "Phase 2: External Secrets Operator",
        "  ! replace   manifest/m: cannot be changed",
        "  = no change helm-release/external-secrets: as desired",
        "",
        "1 to create, 1 to update, 1 to replace, 1 to destroy; 1 as desired.",
    ]


def test_a_plan_without_changes_says_so() -> None:
    right = Change(Action.NONE, 1, "secret", "a/b", "as desired")
    assert lines(right)[-1] == "No change: all 1 objects are as desired."


def test_long_values_are_cut() -> None:
    detail = Difference("policy", '"' + "x" * 500 + '"', "null")
    text = lines(Change(Action.UPDATE, 1, "kms-key", "alias/a", "differs", (detail,)))[4]
    assert len(text) < 130
    assert text.endswith("… -> null")
