"""Decisions on policies agree with AWS' evaluation logic, stated once more in the plainest way."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from environments.embedded.aws.plugins.mita_localstack.conditions import holds
from environments.embedded.aws.plugins.mita_localstack.decisions import Policies, decide
from environments.embedded.aws.plugins.mita_localstack.patterns import expanded, matches_arn
from environments.embedded.aws.plugins.mita_localstack.policies import (
    MalformedPolicyError,
    Principal,
    Request,
    read,
)

type Json = dict[str, Any]

ACCOUNT, OTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/me"
PRINCIPALS = {
    "user": Principal(account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/me"),
    "session": Principal(account=ACCOUNT, arn=SESSION, role=ROLE),
    "service": Principal(account=ACCOUNT, service="lambda.amazonaws.com"),
}
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:mita/database-AbCdEf"
CONTEXT = {
    "aws:resourcetag/team": ("payments",),
    "aws:tagkeys": ("team", "stage"),
    "aws:sourceip": ("127.0.0.1",),
    "aws:principaltag/team": ("payments",),
    "kms:keyage": ("7",),
    "aws:currenttime": ("2026-06-01T12:00:00Z",),
}


# ---- the plainest way


def fits(pattern: str, value: str) -> bool:
    """Tell whether ``*`` and ``?`` of a pattern can be chosen so that it is the value."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(fits(pattern[1:], value[count:]) for count in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and fits(pattern[1:], value[1:])


def some(value: Any) -> list[Any]:  # noqa: ANN401  JSON
    return value if isinstance(value, list) else [value]


def names_action(statement: Json, action: str) -> bool:
    found = any(fits(each.lower(), action.lower()) for each in some(statement.get("Action", [])))
    if "NotAction" in statement:
        return not any(fits(each.lower(), action.lower()) for each in some(statement["NotAction"]))
    return found


def names_resource(statement: Json, resource: str) -> bool:
    def one(pattern: str) -> bool:
        if pattern == "*":
            return True
        wanted, seen = pattern.split(":", 5), resource.split(":", 5)
        return len(wanted) == len(seen) == 6 and all(itertools.starmap(fits, zip(wanted, seen, strict=True)))

    if "NotResource" in statement:
        return not any(one(each) for each in some(statement["NotResource"]))
    return any(one(each) for each in some(statement["Resource"]))


def condition_holds(statement: Json) -> bool:
    """Tell it for the few conditions that are generated, each by its own line."""
    truth = {
        "team is payments": True,
        "team is growth": False,
        "absent is x": False,
        "absent is x, if it exists": True,
        "absent is not x": True,
        "team is not payments": False,
        "all tag keys known": True,
        "any tag key is stage": True,
        "any tag key is other": False,
        "all of nothing": True,
        "any of nothing": False,
        "from here": True,
        "from elsewhere": False,
        "team is absent": False,
        "absent is absent": True,
    }
    return all(truth[each] for each in statement.get("_meaning", []))


CONDITIONS: Mapping[str, Json] = {
    "team is payments": {"StringEquals": {"aws:ResourceTag/team": "payments"}},
    "team is growth": {"StringLike": {"aws:ResourceTag/team": ["growth", "g*"]}},
    "absent is x": {"StringEqualsIgnoreCase": {"aws:RequestTag/absent": "x"}},
    "absent is x, if it exists": {"StringEqualsIfExists": {"aws:RequestTag/absent": "x"}},
    "absent is not x": {"StringNotEquals": {"aws:RequestTag/other": "x"}},
    "team is not payments": {"StringNotLike": {"aws:PrincipalTag/team": ["x", "pay*"]}},
    "all tag keys known": {"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage", "x"]}},
    "any tag key is stage": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["stage"]}},
    "any tag key is other": {"ForAnyValue:StringLike": {"aws:TagKeys": ["other"]}},
    "all of nothing": {"ForAllValues:StringLike": {"aws:RequestTag/absent": ["x"]}},
    "any of nothing": {"ForAnyValue:StringEqualsIgnoreCase": {"aws:RequestTag/absent": ["x"]}},
    "from here": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
    "from elsewhere": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
    "team is absent": {"Null": {"aws:PrincipalTag/team": "true"}},
    "absent is absent": {"Null": {"aws:RequestTag/absent": True}},
}


def applies(statement: Json, action: str, resource: str) -> bool:
    return (
        names_action(statement, action) and names_resource(statement, resource) and condition_holds(statement)
    )


def named_by(statement: Json, principal: Principal) -> str:
    """Say how a statement names a principal: itself, wide, account or not."""
    listed = statement["NotPrincipal"] if "NotPrincipal" in statement else statement["Principal"]
    plain: Json = {"AWS": "*"} if listed == "*" else listed
    aws, services = some(plain.get("AWS", [])), some(plain.get("Service", []))
    found = "not"
    if f"arn:aws:iam::{principal.account}:root" in aws or principal.account in aws:
        found = "account" if principal.arn else "not"
    if "*" in aws or (principal.role and principal.role in aws):
        found = "wide"
    if (principal.arn and principal.arn in aws) or (principal.service and principal.service in services):
        found = "itself"
    if "NotPrincipal" in statement:
        return "wide" if found == "not" else "not"
    return found


def plainly_allowed(  # noqa: PLR0911  one line for each sentence of AWS' description
    action: str, principal: Principal, policies: Mapping[str, Any], owner: str
) -> bool:
    def says(kind: str, effect: str) -> bool:
        return any(
            each["Effect"] == effect and applies(each, action, SECRET)
            for document in policies[kind]
            for each in document
        )

    def resource_says(effect: str, *ways: str) -> bool:
        return any(
            each["Effect"] == effect and applies(each, action, SECRET) and named_by(each, principal) in ways
            for document in policies["resource"]
            for each in document
        )

    if any(says(kind, "Deny") for kind in ("identity", "boundary", "session")):
        return False
    if resource_says("Deny", "itself", "wide", "account"):
        return False
    within_boundary = not policies["boundary"] or says("boundary", "Allow")
    within_session = not policies["session"] or says("session", "Allow")
    within = within_boundary and within_session
    by_identity = says("identity", "Allow")
    if principal.account != owner:
        return by_identity and resource_says("Allow", "itself", "wide", "account") and within
    if resource_says("Allow", "itself"):
        return True
    if resource_says("Allow", "wide") or policies["granted"]:
        return within
    if policies["required"] and not resource_says("Allow", "account"):
        return False
    return by_identity and within


# ---- generated policies

actions = st.sampled_from(
    [
        "*",
        "secretsmanager:*",
        "secretsmanager:Get*",
        "SECRETSMANAGER:getsecretvalue",
        "kms:*",
        "secretsmanager:?et*",
        "secretsmanager:PutSecretValue",
        "s*:*Value",
        "*:*",
        "",
    ]
)
resources = st.sampled_from(
    [
        "*",
        SECRET,
        "arn:aws:secretsmanager:*:*:secret:mita/*",
        "arn:aws:secretsmanager:us-east-1:111111111111:secret:mita/database-??????",
        "arn:aws:secretsmanager:us-east-1:111111111111:secret:mita/database-?????",
        "arn:*:secret:mita/database-AbCdEf",
        "arn:aws:secretsmanager:eu-west-1:*:*",
        "arn:aws:kms:*:*:*",
        "arn:aws:secretsmanager:us-east-1:1*1:secret*",
    ]
)
named = st.sampled_from(
    ["*", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ROLE, SESSION, PRINCIPALS["user"].arn, f"{ROLE}-2", OTHER]
)
principals = st.one_of(
    st.just("*"),
    st.builds(lambda name: {"AWS": name}, st.one_of(named, st.lists(named, min_size=1, max_size=3))),
    st.builds(lambda name: {"Service": name}, st.sampled_from(["lambda.amazonaws.com", "sns.amazonaws.com"])),
)


@st.composite
def statements(draw: st.DrawFn, *, of_resource: bool = False) -> Json:
    statement: Json = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    inverted = st.sampled_from([False, False, False, True])
    listed = draw(st.one_of(actions, st.lists(actions, max_size=3)))
    statement["NotAction" if draw(inverted) else "Action"] = listed
    statement["NotResource" if draw(inverted) else "Resource"] = draw(
        st.one_of(resources, st.lists(resources, max_size=2))
    )
    if of_resource:
        statement["NotPrincipal" if draw(inverted) else "Principal"] = draw(principals)
    meanings = draw(st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=2, unique=True))
    operators = [operator for each in meanings for operator in CONDITIONS[each]]
    if meanings and len(set(operators)) == len(operators):
        statement["_meaning"] = meanings
        statement["Condition"] = {k: v for each in meanings for k, v in CONDITIONS[each].items()}
    return statement


def documents(*, most: int, of_resource: bool = False) -> st.SearchStrategy[list[list[Json]]]:
    return st.lists(st.lists(statements(of_resource=of_resource), min_size=1, max_size=3), max_size=most)


everything = st.fixed_dictionaries(
    {
        "identity": documents(most=2),
        "boundary": documents(most=1),
        "session": documents(most=1),
        "resource": documents(most=1, of_resource=True),
        "required": st.booleans(),
        "granted": st.sampled_from([False, False, False, True]),
    }
)


def text(document: list[Json]) -> str:
    plain = [{key: value for key, value in each.items() if key != "_meaning"} for each in document]
    return json.dumps({"Version": "2012-10-17", "Statement": plain})


@settings(max_examples=1500)
@given(
    action=st.sampled_from(["secretsmanager:GetSecretValue", "kms:Decrypt"]),
    who=st.sampled_from(sorted(PRINCIPALS)),
    policies=everything,
    owner=st.sampled_from([ACCOUNT, ACCOUNT, OTHER]),
)
@example(
    action="kms:Decrypt",
    who="user",
    policies={
        "identity": [[{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]],
        "boundary": [],
        "session": [],
        "resource": [
            [
                {
                    "Effect": "Deny",
                    "Action": "*",
                    "Resource": "*",
                    "NotPrincipal": {"AWS": PRINCIPALS["user"].arn},
                }
            ]
        ],
        "required": False,
        "granted": False,
    },
    owner=ACCOUNT,
)
@example(
    action="kms:Decrypt",
    who="session",
    policies={
        "identity": [],
        "boundary": [[{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]],
        "session": [],
        "resource": [
            [{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": {"AWS": [ROLE, SESSION]}}]
        ],
        "required": True,
        "granted": False,
    },
    owner=ACCOUNT,
)
def test_decisions_agree_with_aws_evaluation_logic(action: str, who: str, policies: Json, owner: str) -> None:
    decision = decide(
        Request(action, SECRET, CONTEXT),
        PRINCIPALS[who],
        Policies(
            identity=tuple(text(each) for each in policies["identity"]),
            boundary=next((text(each) for each in policies["boundary"]), None),
            session=tuple(text(each) for each in policies["session"]),
            resource=next((text(each) for each in policies["resource"]), None),
            resource_must_allow=policies["required"],
            granted=policies["granted"],
        ),
        owner=owner,
    )

    assert decision.allowed == plainly_allowed(action, PRINCIPALS[who], policies, owner), decision.reason
    assert bool(decision.reason) != decision.allowed


# ---- single rules


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "expected"),
    [
        ("NumericLessThan", "kms:keyage", ("8",), True),
        ("NumericLessThan", "kms:keyage", ("7",), False),
        ("NumericLessThanEquals", "kms:keyage", ("7",), True),
        ("NumericGreaterThan", "kms:keyage", ("6.5",), True),
        ("NumericNotEquals", "kms:keyage", ("7.0",), False),
        ("NumericEquals", "kms:keyage", ("seven",), False),
        ("DateLessThan", "aws:currenttime", ("2026-06-01T12:00:01Z",), True),
        ("DateGreaterThan", "aws:currenttime", ("2026-06-01T14:00:00+02:00",), False),
        ("DateGreaterThanEquals", "aws:CurrentTime", ("1780315200",), True),
        ("DateLessThan", "aws:currenttime", ("nonsense",), False),
        ("Bool", "aws:absent", ("false",), False),
        ("BoolIfExists", "aws:absent", ("false",), True),
        ("Null", "aws:absent", ("false",), False),
        ("Null", "aws:sourceip", ("false",), True),
        ("IpAddress", "aws:sourceip", ("nonsense", "127.0.0.1"), True),
        ("NotIpAddress", "aws:absent", ("10.0.0.0/8",), True),
        ("ForAllValues:StringEquals", "aws:tagkeys", ("team",), False),
        ("ForAnyValue:StringNotEquals", "aws:tagkeys", ("team",), True),
        ("ForAnyValue:StringNotEquals", "aws:tagkeys", ("team", "stage"), False),
        ("ForAllValues:StringNotEquals", "aws:tagkeys", ("other",), True),
        ("ForAnyValue:StringLikeIfExists", "aws:absent", ("x",), True),
        ("StringEquals", "aws:resourcetag/team", ("${aws:PrincipalTag/team}",), True),
        ("StringEquals", "aws:resourcetag/team", ("${aws:PrincipalTag/absent}",), False),
        ("StringEquals", "aws:resourcetag/team", ("${aws:PrincipalTag/absent, 'payments'}",), True),
        ("StringNotEquals", "aws:resourcetag/team", ("${aws:PrincipalTag/absent}",), True),
        ("StringLike", "aws:resourcetag/team", ("pay${*}",), False),
        ("BinaryEquals", "aws:resourcetag/team", ("!",), False),
    ],
)
def test_an_operator_holds(operator: str, key: str, wanted: tuple[str, ...], expected: bool) -> None:
    assert holds(operator, key, wanted, CONTEXT, variables=True) is expected


def test_policies_of_the_old_version_have_no_variables() -> None:
    assert not holds(
        "StringEquals", "aws:resourcetag/team", ("${aws:PrincipalTag/team}",), CONTEXT, variables=False
    )


def test_a_value_in_the_place_of_a_variable_is_no_wildcard() -> None:
    context = {"aws:username": ("*",)}
    pattern = expanded("arn:aws:s3:::home/${aws:username}", context)
    assert pattern is not None
    assert matches_arn(pattern, "arn:aws:s3:::home/*")
    assert not matches_arn(pattern, "arn:aws:s3:::home/other")


def test_a_value_in_the_place_of_a_variable_is_one_segment() -> None:
    pattern = expanded("arn:aws:s3:::${aws:username}", {"aws:username": ("a:b",)})
    assert pattern is not None
    assert matches_arn(pattern, "arn:aws:s3:::a:b")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Version", "Statement", "Effect", "Action", "Resource", "Condition", "Principal", "Bool"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=500)
@given(document=st.one_of(st.text(max_size=30), json_values.map(json.dumps)))
def test_what_is_no_policy_opens_nothing(document: str) -> None:
    try:
        read(document)
    except MalformedPolicyError:
        allowing = Policies(
            identity=(text([{"Effect": "Allow", "Action": "*", "Resource": "*"}]),), resource=document
        )
        request = Request("kms:Decrypt", SECRET, {})
        assert not decide(request, PRINCIPALS["user"], allowing, owner=ACCOUNT).allowed


# Whoever may write a policy may write anything into it.
operators = st.tuples(
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:", "ForAllValues:ForAnyValue:", "foranyvalue:"]),
    st.sampled_from(
        [
            *("StringEquals", "StringLike", "StringNotLike", "ArnLike", "Bool", "BinaryEquals", "Null"),
            *("IpAddress", "NotIpAddress", "NumericLessThan", "NumericNotEquals", "DateLessThan"),
            *("DateNotEquals", "Nonsense", ""),
        ]
    ),
    st.sampled_from(["", "IfExists", "IfExistsIfExists"]),
).map("".join)
hostile_values = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        [
            *("sNaN", "-Infinity", "1e999999999999", "${aws:username}", "${}", "${aws:tagkeys}", "${", "é"),
            *("0000-00-00", "9999-12-31T23:59:59+24:00", "::/129", "\x00", "²", "67768036191676800"),
        ]
    ),
    st.booleans(),
    st.floats(),
)


@settings(max_examples=1000)
@example(operator="DateLessThan", key="aws:CurrentTime", values=["67768036191676800"], effect="Deny")
@example(operator="BinaryEquals", key="aws:SourceIp", values=["é"], effect="Deny")
@example(operator="ForAllValues:Null", key="aws:SourceIp", values=["true"], effect="Deny")
@example(operator="ForAllValues:ForAnyValue:StringEquals", key="aws:SourceIp", values=["x"], effect="Deny")
@given(
    operator=operators,
    key=st.sampled_from(["aws:CurrentTime", "aws:SourceIp", "aws:TagKeys", "kms:KeyAge", "aws:absent", ""]),
    values=st.lists(hostile_values, max_size=3),
    effect=st.sampled_from(["Allow", "Deny"]),
)
def test_no_condition_breaks_a_decision_and_one_that_is_none_opens_nothing(
    operator: str, key: str, values: list[Any], effect: str
) -> None:
    everything: Json = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    conditional = everything | {"Effect": effect, "Condition": {operator: {key: values}}}
    request = Request("secretsmanager:GetSecretValue", SECRET, CONTEXT)
    policies = Policies(identity=(text([everything]), text([conditional])))

    decision = decide(request, PRINCIPALS["user"], policies, owner=ACCOUNT)

    try:
        read(text([conditional]))
    except MalformedPolicyError:
        assert not decision.allowed
    else:
        assert decision.allowed or effect == "Deny"


def test_many_wildcards_do_not_hold_up_a_decision() -> None:
    # With a matcher that tries all ways to share out the text this takes longer than anybody lives.
    pattern = "arn:aws:secretsmanager:us-east-1:111111111111:secret:" + "*a" * 40 + "*b"
    policies = Policies(
        identity=(text([{"Effect": "Allow", "Action": "*a" * 40 + "b", "Resource": pattern}]),)
    )
    request = Request("a" * 200, SECRET + "a" * 200, {})
    assert not decide(request, PRINCIPALS["user"], policies, owner=ACCOUNT).allowed
    assert matches_arn(((pattern, True),), SECRET + "a" * 200 + "b")
