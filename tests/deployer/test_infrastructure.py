"""Phase 1 on AWS' stand-in: planned, applied, drifted, mended."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.changes import Action
from deployer.deployment import Deployment
from deployer.desired import Desired, read
from deployer.errors import RefusedError
from deployer.plan import Plan
from tests.deployer.conftest import Place

pytestmark = pytest.mark.embedded
ALIAS = "alias/mita-finance-production-secrets"
ROLE = "mita-production-external-secrets"
PREFIX = "mita-finance/production/"


@pytest.fixture
def deploy(place: Place, tmp_path: Path) -> Callable[[], Plan]:
    """Plan and apply phase 1; returns the plan."""

    def deploy(desired: Desired | None = None) -> Plan:
        deployment = Deployment(place.connections, desired or read(), receipts=tmp_path)
        plan = deployment.plan(1)
        deployment.apply(plan)
        return plan

    return deploy


def plan_of(place: Place, tmp_path: Path, desired: Desired | None = None) -> Plan:
    return Deployment(place.connections, desired or read(), receipts=tmp_path).plan(1)


def test_a_first_plan_names_everything_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    plan = plan_of(place, tmp_path)
    assert {change.action for change in plan.changes} == {Action.CREATE}
    assert Counter(change.kind for change in plan.changes) == {
        "kms-key": 1, "secret": 8, "identity-provider": 1, "iam-role": 2,
    }  # fmt: skip
    assert not [
        call for call in place.calls if not call.split(":")[1].startswith(("Get", "List", "Describe"))
    ]
    assert list(tmp_path.iterdir()) == []


def test_one_identity_provider_serves_the_roles_of_all_phases(place: Place, tmp_path: Path) -> None:
    plan = Deployment(place.connections, read(), receipts=tmp_path).plan("monitoring")
    assert [change.phase for change in plan.changes if change.kind == "identity-provider"] == [1]
    assert {change.phase for change in plan.changes if change.kind == "iam-role"} == {1, 5, 6}


def test_what_is_applied_is_as_desired(place: Place, deploy: Callable[[], Plan]) -> None:
    deploy()
    kms = place.aws("kms")
    made = kms.describe_key(KeyId=ALIAS)["KeyMetadata"]
    assert (made["KeyState"], made["KeySpec"], made["KeyManager"]) == (
        "Enabled",
        "SYMMETRIC_DEFAULT",
        "CUSTOMER",
    )
    rotation = kms.get_key_rotation_status(KeyId=made["KeyId"])
    assert (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]) == (True, 365)
    secrets = place.aws("secretsmanager").list_secrets()["SecretList"]
    assert len(secrets) == 8
    assert {each["KmsKeyId"] for each in secrets} == {made["Arn"]}
    policy = place.aws("iam").get_role_policy(RoleName=ROLE, PolicyName="read-production-secrets")[
        "PolicyDocument"
    ]
    assert {each["Sid"]: (each["Action"], each["Resource"]) for each in policy["Statement"]} == {
        "ReadProductionSecrets": (
            ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            [
                f"arn:aws:secretsmanager:us-east-1:{place.connections.account}:secret:mita-finance/production/*"
            ],
        ),
        "DecryptWithTheirKey": (["kms:Decrypt"], [made["Arn"]]),
    }
    trust = place.aws("iam").get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
    issuer = place.connections.cluster.oidc_issuer.removeprefix("https://")
    assert trust["Condition"]["StringEquals"] == {
        f"{issuer}:aud": ["sts.amazonaws.com"],
        f"{issuer}:sub": ["system:serviceaccount:mita-production:mita-external-secrets"],
    }


def test_a_second_plan_is_empty_within_a_handful_of_calls(
    place: Place, tmp_path: Path, deploy: Callable[[], Plan]
) -> None:
    deploy()
    place.calls.clear()
    assert plan_of(place, tmp_path).pending == ()
    calls = Counter(call.split(":")[0] for call in place.calls)
    assert calls == {"kms": 4, "secretsmanager": 1, "iam": 2}


def key_id(place: Place) -> str:
    return str(place.aws("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyId"])


def provider(place: Place) -> str:
    return str(place.aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"][0]["Arn"])


ANYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
ANYBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "*", "Resource": "*"}],
    }
)
ANY_ROLE = ANYBODY.replace('"Action": "*", "Resource": "*"', '"Action": "sts:AssumeRole"')
SECRET = {"SecretId": PREFIX + "app/secret-key"}
POLICY = {"RoleName": ROLE, "PolicyName": "read-production-secrets"}


def key(call: str, **more: object) -> Callable[[Place], Any]:
    return lambda place: getattr(place.aws("kms"), call)(KeyId=key_id(place), **more)


def secret(call: str, **more: object) -> Callable[[Place], Any]:
    return lambda place: getattr(place.aws("secretsmanager"), call)(**SECRET, **more)


def iam(call: str, **arguments: object) -> Callable[[Place], Any]:
    return lambda place: getattr(place.aws("iam"), call)(**arguments)


def oidc(call: str, **more: object) -> Callable[[Place], Any]:
    return lambda place: getattr(place.aws("iam"), call)(OpenIDConnectProviderArn=provider(place), **more)


DRIFTS: dict[str, tuple[Callable[[Place], Any], str, str]] = {
    "key's tag": (key("untag_resource", TagKeys=["Project"]), "kms-key", "tags.Project"),
    "rotation off": (key("disable_key_rotation"), "kms-key", "rotation_days"),
    "slower rotation": (key("enable_key_rotation", RotationPeriodInDays=900), "kms-key", "rotation_days"),
    "key disabled": (key("disable_key"), "kms-key", "state"),
    "key to be deleted": (key("schedule_key_deletion"), "kms-key", "state"),
    "key policy": (
        key("put_key_policy", PolicyName="default", Policy=ANYBODY),
        "kms-key",
        "policy.Statement",
    ),
    "alias gone": (lambda place: place.aws("kms").delete_alias(AliasName=ALIAS), "kms-key", "alias"),
    "secret's tag": (secret("untag_resource", TagKeys=["ManagedBy"]), "secret", "tags.ManagedBy"),
    "secret's key": (secret("update_secret", KmsKeyId="alias/aws/secretsmanager"), "secret", "key"),
    "secret deleted": (secret("delete_secret"), "secret", "deletion"),
    "role's tag": (iam("untag_role", RoleName=ROLE, TagKeys=["Project"]), "iam-role", "tags.Project"),
    "role's policy gone": (
        iam("delete_role_policy", **POLICY),
        "iam-role",
        "policies.read-production-secrets",
    ),
    "role's policy wider": (
        iam("put_role_policy", **POLICY, PolicyDocument=ANYTHING),
        "iam-role",
        "policies.read-production-secrets.Statement",
    ),
    "another inline policy": (
        iam("put_role_policy", RoleName=ROLE, PolicyName="more", PolicyDocument=ANYTHING),
        "iam-role",
        "policies.more",
    ),
    "policy attached": (
        iam("attach_role_policy", RoleName=ROLE, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
        "iam-role",
        "attached",
    ),
    "trust": (
        iam("update_assume_role_policy", RoleName=ROLE, PolicyDocument=ANY_ROLE),
        "iam-role",
        "trust.Statement",
    ),
    "provider's thumbprint": (
        oidc("update_open_id_connect_provider_thumbprint", ThumbprintList=["a" * 40]),
        "identity-provider",
        "thumbprints",
    ),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_found_shown_and_mended(
    place: Place, tmp_path: Path, deploy: Callable[[], Plan], drift: str
) -> None:
    deploy()
    before = key_id(place)
    make, kind, path = DRIFTS[drift]
    make(place)
    (change,) = deploy().pending
    assert (change.action, change.kind) == (Action.UPDATE, kind)
    assert any(each.path.startswith(path) for each in change.details), change.details
    assert plan_of(place, tmp_path).pending == ()
    assert key_id(place) == before


def test_tags_of_others_are_left_alone(place: Place, tmp_path: Path, deploy: Callable[[], Plan]) -> None:
    deploy()
    place.aws("kms").tag_resource(KeyId=key_id(place), Tags=[{"TagKey": "CostCentre", "TagValue": "7"}])
    assert plan_of(place, tmp_path).pending == ()


def test_a_secret_that_is_no_longer_declared_is_destroyed_only_when_named(
    place: Place, tmp_path: Path, deploy: Callable[[], Plan]
) -> None:
    deploy()
    place.aws("secretsmanager").create_secret(
        Name=PREFIX + "app/old", Tags=[{"Key": "ManagedBy", "Value": "mita-deployer"}]
    )
    place.aws("secretsmanager").create_secret(Name=PREFIX + "app/of-others")
    deployment = Deployment(place.connections, read(), receipts=tmp_path)
    (change,) = deployment.plan(1).pending
    assert (change.action, change.object) == (Action.DESTROY, f"secret/{PREFIX}app/old")
    with pytest.raises(RefusedError, match="destroy secret/mita-finance/production/app/old"):
        deployment.apply(deployment.plan(1))
    assert "DeletedDate" not in place.aws("secretsmanager").describe_secret(SecretId=PREFIX + "app/old")
    deployment.apply(deployment.plan(1, allow_destroy=[change.object]))
    assert "DeletedDate" in place.aws("secretsmanager").describe_secret(SecretId=PREFIX + "app/old")
    assert deployment.plan(1).pending == ()


def test_a_key_of_the_wrong_kind_is_replaced_only_when_named(place: Place, tmp_path: Path) -> None:
    kms = place.aws("kms")
    wrong = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=ALIAS, TargetKeyId=wrong)
    deployment = Deployment(place.connections, read(), receipts=tmp_path)
    with pytest.raises(RefusedError, match=f"replace kms-key/{ALIAS}"):
        deployment.apply(deployment.plan(1))
    assert key_id(place) == wrong
    deployment.apply(deployment.plan(1, allow_destroy=[f"kms-key/{ALIAS}"]))
    assert key_id(place) != wrong
    assert deployment.plan(1).pending == ()
    assert kms.describe_key(KeyId=wrong)["KeyMetadata"]["Enabled"]


def test_a_stale_plan_is_refused_and_changes_nothing(
    place: Place, tmp_path: Path, deploy: Callable[[], Plan]
) -> None:
    deploy()
    deployment = Deployment(place.connections, read(), receipts=tmp_path)
    place.aws("kms").disable_key_rotation(KeyId=key_id(place))
    plan = deployment.plan(1)
    place.aws("iam").untag_role(RoleName=ROLE, TagKeys=["Project"])
    with pytest.raises(RefusedError, match=f"changed since: 1/iam-role/{ROLE}"):
        deployment.apply(plan)
    assert not place.aws("kms").get_key_rotation_status(KeyId=key_id(place))["KeyRotationEnabled"]


def test_a_deployment_cut_short_goes_on_and_its_receipts_tell(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(place.connections, read(), receipts=tmp_path)
    plan = deployment.plan(1)
    with monkeypatch.context() as patch:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("deployer.kinds.roles.Roles.apply", interrupt)
        with pytest.raises(KeyboardInterrupt):
            deployment.apply(plan)
    lines = [json.loads(line) for line in deployment.receipts.file.read_text().splitlines()]
    assert (lines[-1]["result"], lines[-1]["error"]) == ("failed", "KeyboardInterrupt")
    assert lines[-1]["object"] == f"iam-role/{ROLE}"
    assert [line["result"] for line in lines].count("done") == 10
    again = Deployment(place.connections, read(), receipts=tmp_path)
    left = [change.object for change in again.plan(1).pending]
    again.apply(again.plan(1))
    assert left == [f"iam-role/{ROLE}", "iam-role/mita-production-smoke"]
    assert again.plan(1).pending == ()


def test_a_key_without_its_alias_is_not_made_twice(place: Place, tmp_path: Path) -> None:
    deployment = Deployment(place.connections, read(), receipts=tmp_path)
    kms = place.aws("kms")
    kms.create_key(Tags=[{"TagKey": "Alias", "TagValue": ALIAS.removeprefix("alias/")}])
    deployment.apply(deployment.plan(1))
    assert len(kms.list_keys()["Keys"]) == 1
