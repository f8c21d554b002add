"""What the roles may do, by their policy documents."""

import pytest

from deployer.connections import ClusterIdentity
from deployer.desired import read
from deployer.desired_roles import DesiredRole
from deployer.kinds.kms import Keys
from deployer.kinds.roles import Roles
from deployer.policies import Document
from tests.deployer.policy_lint import findings

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
ISSUER = "https://issuer.example/id/1"
NAMES = [role.name for role in read().roles]
CHANGING = (
    "Put", "Create", "Delete", "Update", "Tag", "Untag", "Rotate", "Cancel", "Restore", "Attach", "Detach",
    "Enable", "Disable", "Schedule", "Encrypt", "Generate", "Pass", "Assume", "Set", "Add", "Remove",
)  # fmt: skip


def documents(name: str) -> tuple[Document, Document]:
    """Return the trust and the policy that a role gets."""
    desired = read()
    (role,) = (each for each in desired.roles if each.name == name)
    roles = Roles(
        role.phase,
        desired,
        keys=Keys(desired.key, tags={}, account=ACCOUNT, kms=None),
        account=ACCOUNT,
        region="us-east-1",
        cluster=ClusterIdentity("mita-production", "mita-production", ISSUER, ""),
        iam=None,
    )
    policy = roles._policy(role, None)
    for statement in policy["Statement"]:
        statement["Resource"] = [KEY if each.startswith("(") else each for each in statement["Resource"]]
    return roles._trust(role), policy


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_has_nothing_against_a_policy(name: str) -> None:
    assert findings(documents(name)[1]) == []


@pytest.mark.parametrize(
    ("action", "resource", "issue"),
    [
        ("secretsmanager:GetSecretValues", "*", "UNKNOWN_ACTION"),
        ("kms:Decrypt", "arn:aws:s3:::bucket", "RESOURCE_MISMATCH"),
        ("secretsmanager:ListSecrets", KEY, "RESOURCE_MISMATCH"),
    ],
)
def test_the_linter_finds_what_is_planted(action: str, resource: str, issue: str) -> None:
    _, policy = documents(NAMES[0])
    policy["Statement"][0] |= {"Action": [action], "Resource": [resource]}
    assert any(each.startswith(issue) for each in findings(policy))


@pytest.mark.parametrize("name", NAMES)
def test_no_role_is_granted_by_wildcard(name: str) -> None:
    for statement in documents(name)[1]["Statement"]:
        assert not [each for each in statement["Action"] if "*" in each]
        if statement["Resource"] == ["*"]:  # AWS knows no resource for these
            assert set(statement["Action"]) <= {
                "iam:ListOpenIDConnectProviders",
                "cloudtrail:LookupEvents",
                "secretsmanager:ListSecrets",
            }


def test_a_smoke_run_can_change_nothing() -> None:
    _, policy = documents("mita-production-smoke")
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert not [each for each in actions if each.split(":")[1].startswith(CHANGING)]


def test_the_exporter_reads_no_value() -> None:
    _, policy = documents("mita-production-secret-exporter")
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {
        "secretsmanager:DescribeSecret",
        "secretsmanager:ListSecretVersionIds",
        "kms:DescribeKey",
        "cloudtrail:LookupEvents",
    }


def test_whom_the_roles_trust() -> None:
    host = ISSUER.removeprefix("https://")
    (operators,) = documents("mita-production-external-secrets")[0]["Statement"]
    assert operators["Principal"] == {"Federated": [f"arn:aws:iam::{ACCOUNT}:oidc-provider/{host}"]}
    assert set(operators["Condition"]["StringEquals"]) == {f"{host}:aud", f"{host}:sub"}
    (functions,) = documents("mita-production-secret-rotation")[0]["Statement"]
    assert functions["Principal"] == {"Service": ["lambda.amazonaws.com"]}
    (exporters,) = documents("mita-production-secret-exporter")[0]["Statement"]
    assert exporters["Condition"]["StringEquals"][f"{host}:sub"] == [
        "system:serviceaccount:external-secrets-system:mita-secret-exporter"
    ]
    (smoke,) = documents("mita-production-smoke")[0]["Statement"]
    assert (smoke["Action"], smoke["Principal"]) == (
        ["sts:AssumeRole"],
        {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]},
    )


@pytest.mark.parametrize(
    ("callers", "reason"),
    [
        ({}, "exactly one of"),
        ({"account": True, "service": "lambda.amazonaws.com"}, "exactly one of"),
        ({"service_account": "a/b"}, "go together"),
        ({"account": True, "audience": "sts.amazonaws.com"}, "go together"),
    ],
)
def test_a_role_has_one_kind_of_caller(callers: dict[str, object], reason: str) -> None:
    statement = {"sid": "Read", "actions": ["kms:DescribeKey"], "resources": ["key"]}
    with pytest.raises(ValueError, match=reason):
        DesiredRole.model_validate(
            {"phase": 1, "name": "x", "policy_name": "y", "statements": [statement], **callers}
        )


@pytest.mark.parametrize("action", ["kms:*", "*", "kms:Decrypt*"])
def test_a_wildcard_action_is_refused(action: str) -> None:
    statement = {"sid": "Read", "actions": [action], "resources": ["key"]}
    role = {"phase": 1, "name": "x", "policy_name": "y", "account": True, "statements": [statement]}
    with pytest.raises(ValueError, match="actions"):
        DesiredRole.model_validate(role)


def test_functions_touch_what_they_rotate_and_its_key_through_secrets_manager_only() -> None:
    statements = {each["Sid"]: each for each in documents("mita-production-secret-rotation")[1]["Statement"]}
    prefix = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:mita-finance/"
    rotated = {f"{prefix}production/{name}-??????" for name in read().rotation.secrets_named()}
    assert set(statements["RotateSecrets"]["Resource"]) == rotated
    assert statements["ReadAdministratorsLogins"]["Action"] == ["secretsmanager:GetSecretValue"]
    masters = {f"{prefix}production-administrators/{name}-??????" for name in ("database", "cache")}
    assert set(statements["ReadAdministratorsLogins"]["Resource"]) == masters
    assert statements["UseTheirKeyForSecretsOnly"]["Condition"] == {
        "StringEquals": {"kms:ViaService": ["secretsmanager.us-east-1.amazonaws.com"]}
    }
    groups = {
        f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{each.log_group}:*" for each in read().rotation.functions
    }
    assert set(statements["WriteTheirOwnLogs"]["Resource"]) == groups
