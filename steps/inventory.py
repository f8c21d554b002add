"""What is there, in AWS and in the cluster, so that a scenario can show that nothing has changed."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.cluster import Object, name_of
from deployer.policies import normal
from steps.system import System

# Everything that a deployment could touch; None stands for kinds without a namespace.
_KINDS = (
    ("v1", "Namespace"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("external-secrets.io/v1beta1", "ClusterSecretStore"),
)
_NAMESPACED_KINDS = (
    ("v1", "ServiceAccount"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("apps/v1", "Deployment"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("external-secrets.io/v1beta1", "SecretStore"),
    ("external-secrets.io/v1beta1", "ExternalSecret"),
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was there at one moment: for each object its state, or a digest where it may hold a secret."""

    objects: Mapping[str, str]

    def changes_since(self, earlier: Inventory) -> list[str]:
        """Name the objects that came, went or changed since an earlier inventory."""
        before, now = earlier.objects, self.objects
        return [
            f"{name} {'changed' if name in before and name in now else 'came' if name in now else 'went'}"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]

    def only(self, *prefixes: str) -> Inventory:
        """Return the part whose names begin with one of the prefixes."""
        return Inventory({name: state for name, state in self.objects.items() if name.startswith(prefixes)})


def take_inventory(system: System) -> Inventory:
    """Read everything that a deployment could touch."""
    return Inventory({**take_aws_inventory(system).objects, **dict(_cluster(system))})


def take_aws_inventory(system: System) -> Inventory:
    """Read what a deployment could touch in AWS."""
    return Inventory(
        {name: _digest(state) for name, state in (*_keys(system), *_secrets(system), *_iam(system))}
    )


def take_readable_inventory(system: System) -> Inventory:
    """Read as much of it as the role of smoke runs may."""
    aws = {name: _digest(state) for name, state in (*_declared(system), *_secrets(system))}
    return Inventory({**aws, **dict(_cluster(system))})


def _declared(system: System) -> Iterator[tuple[str, Any]]:
    """Read the key and the role that are declared, by name, and the account's identity providers."""
    kms, iam, role = system.aws("kms"), system.aws("iam"), system.desired.roles[0].name
    key = kms.describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]
    rotation = kms.get_key_rotation_status(KeyId=key["KeyId"])
    yield (
        f"kms-alias/{system.desired.key.alias}",
        {
            **{name: key.get(name) for name in ("Arn", "KeyState", "Description")},
            **{name: rotation.get(name) for name in ("KeyRotationEnabled", "RotationPeriodInDays")},
        },
    )
    found = iam.get_role(RoleName=role)["Role"]
    kept = ("Arn", "RoleId", "Description", "MaxSessionDuration", "Tags", "PermissionsBoundary")
    yield (
        f"iam-role/{role}",
        {"trust": normal(found["AssumeRolePolicyDocument"]), **{name: found.get(name) for name in kept}},
    )
    for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        yield f"identity-provider/{provider['Arn']}", provider["Arn"]


def _keys(system: System) -> Iterator[tuple[str, Any]]:
    kms = system.aws("kms")
    for page in kms.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            yield f"kms-alias/{alias['AliasName']}", alias.get("TargetKeyId")
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            metadata = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            if metadata["KeyManager"] == "CUSTOMER":
                yield f"kms-key/{key['KeyId']}", _key(kms, metadata)


def _key(kms: Any, metadata: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401  boto3 client
    identifier = metadata["KeyId"]
    symmetric = metadata["KeySpec"] == "SYMMETRIC_DEFAULT" and metadata["KeyState"] == "Enabled"
    rotation = kms.get_key_rotation_status(KeyId=identifier) if symmetric else {}
    return {
        "state": metadata["KeyState"],
        "description": metadata["Description"],
        "rotation": [rotation.get("KeyRotationEnabled"), rotation.get("RotationPeriodInDays")],
        "tags": {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=identifier)["Tags"]},
        "policy": normal(kms.get_key_policy(KeyId=identifier, PolicyName="default")["Policy"]),
    }


def _secrets(system: System) -> Iterator[tuple[str, Any]]:
    pages = system.aws("secretsmanager").get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    for page in pages:
        for secret in page["SecretList"]:
            kept = {key: secret.get(key) for key in ("ARN", "Description", "KmsKeyId")}
            kept["deleted"] = "DeletedDate" in secret
            kept["tags"] = {tag["Key"]: tag["Value"] for tag in secret.get("Tags", [])}
            kept["versions"] = {
                version: sorted(stages)
                for version, stages in secret.get("SecretVersionsToStages", {}).items()
            }
            yield f"secret/{secret['Name']}", kept


def _iam(system: System) -> Iterator[tuple[str, Any]]:
    iam = system.aws("iam")
    for page in iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role"]):
        for role in page["RoleDetailList"]:
            yield (
                f"iam-role/{role['RoleName']}",
                {
                    "trust": normal(role["AssumeRolePolicyDocument"]),
                    "policies": {
                        each["PolicyName"]: normal(each["PolicyDocument"])
                        for each in role.get("RolePolicyList", [])
                    },
                    "attached": sorted(each["PolicyArn"] for each in role.get("AttachedManagedPolicies", [])),
                    "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
                },
            )
    for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])
        yield (
            f"identity-provider/{provider['Arn']}",
            {key: found[key] for key in ("Url", "ClientIDList", "ThumbprintList")},
        )


def _cluster(system: System) -> Iterator[tuple[str, str]]:
    for api_version, kind in _KINDS:
        for item in system.cluster.list(api_version, kind):
            yield name_of(item), _object(item)
    namespaces = {release.namespace for release in system.desired.releases}
    for namespace in sorted(namespaces | {system.desired.namespace}):
        for api_version, kind in _NAMESPACED_KINDS:
            for item in system.cluster.list(api_version, kind, namespace):
                yield name_of(item), _object(item)


def _object(item: Object) -> str:
    """Digest what somebody declared about an object: a generation counts that, where there is one."""
    metadata = item["metadata"]
    declared = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    kept = {key: metadata.get(key) for key in ("uid", "labels", "generation")}
    kept["annotations"] = {
        key: value for key, value in metadata.get("annotations", {}).items() if "nudge" not in key
    }
    return _digest([kept, declared])


# Kept nowhere: a digest that is written down does not help to guess the value behind it.
_KEY = secrets.token_bytes(32)


def _digest(state: Any) -> str:  # noqa: ANN401  any JSON
    return hmac.digest(_KEY, json.dumps(state, sort_keys=True, default=str).encode(), hashlib.sha256).hex()
