"""Changes that somebody makes by hand, in AWS, beside the deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pytest_bdd import given, then

from steps.deployment import Attempt
from steps.inventory import Inventory, take_aws_inventory
from steps.parameters import phrase
from steps.system import System

_TAG = "Environment"
_SECRET = "app/secret-key"  # noqa: S105  a name
_STRANGE_POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
_EVERYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
# What a plan calls the things that feature files call by their everyday names.
_KINDS = {"key": "kms-key", "secret": "secret", "operator's role": "iam-role"}
_PROPERTIES = {"rotation": "rotation_days"}


@given("somebody removed a tag of the key", target_fixture="before_drift")
@given("somebody removed a tag of the key after the plan was made")
def _key_without_tag(system: System) -> Iterator[Inventory]:
    before, kms, key = take_aws_inventory(system), system.aws("kms"), _key(system)
    kms.untag_resource(KeyId=key, TagKeys=[_TAG])
    yield before
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": _TAG, "TagValue": system.desired.tags[_TAG]}])


@given("somebody switched off the key's rotation", target_fixture="before_drift")
def _key_without_rotation(system: System) -> Iterator[Inventory]:
    before, kms, key = take_aws_inventory(system), system.aws("kms"), _key(system)
    kms.disable_key_rotation(KeyId=key)
    yield before
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=system.desired.key.rotation_days)


@given("somebody led the key's alias to a key that can only sign")
def _alias_led_elsewhere(system: System) -> Iterator[None]:
    kms, alias, key = system.aws("kms"), system.desired.key.alias, _key(system)
    signing = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    try:
        kms.update_alias(AliasName=alias, TargetKeyId=signing)
        yield
    finally:
        kms.update_alias(AliasName=alias, TargetKeyId=key)
        kms.schedule_key_deletion(KeyId=signing, PendingWindowInDays=7)


@given("somebody removed a tag of a secret", target_fixture="before_drift")
def _secret_without_tag(system: System) -> Iterator[Inventory]:
    before, manager, secret = (
        take_aws_inventory(system),
        system.aws("secretsmanager"),
        system.full_name(_SECRET),
    )
    manager.untag_resource(SecretId=secret, TagKeys=[_TAG])
    yield before
    manager.tag_resource(SecretId=secret, Tags=[{"Key": _TAG, "Value": system.desired.tags[_TAG]}])


@given("somebody removed a tag of the operator's role", target_fixture="before_drift")
def _role_without_tag(system: System) -> Iterator[Inventory]:
    before, iam, role = take_aws_inventory(system), system.aws("iam"), system.desired.roles[0].name
    iam.untag_role(RoleName=role, TagKeys=[_TAG])
    yield before
    iam.tag_role(RoleName=role, Tags=[{"Key": _TAG, "Value": system.desired.tags[_TAG]}])


@given("somebody removed the policy of the role", target_fixture="before_drift")
def _role_without_policy(system: System) -> Iterator[Inventory]:
    before, iam, role = take_aws_inventory(system), system.aws("iam"), system.desired.roles[0]
    policy = iam.get_role_policy(RoleName=role.name, PolicyName=role.policy_name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role.name, PolicyName=role.policy_name)
    yield before
    iam.put_role_policy(RoleName=role.name, PolicyName=role.policy_name, PolicyDocument=json.dumps(policy))


@given("somebody attached another policy to the role", target_fixture="before_drift")
def _role_with_another_policy(system: System) -> Iterator[Inventory]:
    before, iam, role = take_aws_inventory(system), system.aws("iam"), system.desired.roles[0].name
    iam.attach_role_policy(RoleName=role, PolicyArn=_STRANGE_POLICY)
    yield before
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    if any(policy["PolicyArn"] == _STRANGE_POLICY for policy in attached):
        iam.detach_role_policy(RoleName=role, PolicyArn=_STRANGE_POLICY)


@given("somebody let everybody take the role", target_fixture="before_drift")
def _role_for_everybody(system: System) -> Iterator[Inventory]:
    before, iam, role = take_aws_inventory(system), system.aws("iam"), system.desired.roles[0].name
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(_EVERYBODY))
    yield before
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


def _key(system: System) -> str:
    identifier: str = system.aws("kms").describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["KeyId"]
    return identifier


@then(phrase("the plan showed that the {thing} differs in its {aspect:Words}"))
def _plan_showed(outcome: Attempt, thing: str, aspect: str) -> None:
    assert outcome.refusal is None, f"it was refused: {outcome.refusal}"
    assert outcome.plan is not None
    pending = [change for change in outcome.plan.pending if change.kind == _KINDS[thing]]
    assert pending, f"the plan changes no {thing}"
    paths = [difference.path for change in pending for difference in change.details]
    wanted = _PROPERTIES.get(aspect, aspect)
    assert any(path == wanted or path.startswith(f"{wanted}.") for path in paths), f"it differs in {paths}"


@then(phrase("the {thing} is again as it was"))
def _as_it_was(system: System, before_drift: Inventory, thing: str) -> None:
    kind = f"{_KINDS[thing]}/"
    changes = take_aws_inventory(system).only(kind).changes_since(before_drift.only(kind))
    assert not changes, f"{', '.join(changes)} since before the drift"
