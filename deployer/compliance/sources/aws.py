"""AWS: the key, the secrets' descriptions, the audit trail, and what EKS encrypts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from deployer.compliance.facts import Key, StoredSecret, Trail

_CURRENT = "AWSCURRENT"
_READING = "GetSecretValue"
_CALLS_AT_ONCE = 8


def read_key(kms: Any, alias: str) -> Key:  # noqa: ANN401  boto3 clients have no common type
    """Read the key behind an alias."""
    metadata = kms.describe_key(KeyId=alias)["KeyMetadata"]
    key = metadata["KeyId"]
    # AWS refuses the question for a key that is not enabled or not its customer's to rotate.
    rotation = (
        kms.get_key_rotation_status(KeyId=key)
        if (metadata["KeyState"], metadata["KeyManager"]) == ("Enabled", "CUSTOMER")
        else {}
    )
    policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    return Key(
        arn=metadata["Arn"],
        state=metadata["KeyState"],
        manager=metadata["KeyManager"],
        spec=metadata["KeySpec"],
        usage=metadata["KeyUsage"],
        rotation_days=rotation.get("RotationPeriodInDays", 365)
        if rotation.get("KeyRotationEnabled")
        else None,
        policy=json.loads(policy),
    )


def read_secrets(manager: Any, prefix: str) -> tuple[StoredSecret, ...]:  # noqa: ANN401  as above
    """Describe every secret below a prefix; their values are not asked for."""
    pages = manager.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [prefix]}])
    listed = [secret for page in pages for secret in page["SecretList"] if secret["Name"].startswith(prefix)]
    with ThreadPoolExecutor(max_workers=_CALLS_AT_ONCE) as pool:
        return tuple(pool.map(lambda secret: _secret(manager, secret), listed))


def _secret(manager: Any, listed: Mapping[str, Any]) -> StoredSecret:  # noqa: ANN401  as above
    name = listed["Name"]
    policy, due = (
        manager.get_resource_policy(SecretId=name).get("ResourcePolicy"),
        listed.get("NextRotationDate"),
    )
    return StoredSecret(
        name=name,
        key=listed.get("KmsKeyId"),
        current_since=tuple(
            version["CreatedDate"].astimezone(UTC)
            for version in _versions(manager, name)
            if _CURRENT in version.get("VersionStages", ())
        ),
        policy=json.loads(policy) if policy else None,
        rotation_due=due.astimezone(UTC) if listed.get("RotationEnabled") and due else None,
    )


def _versions(manager: Any, name: str) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401  as above
    following: dict[str, str] = {}
    while True:
        page = manager.list_secret_version_ids(SecretId=name, **following)
        yield from page["Versions"]
        if "NextToken" not in page:
            return
        following = {"NextToken": page["NextToken"]}


def read_trail(cloudtrail: Any, now: datetime, hours: int) -> Trail:  # noqa: ANN401  as above
    """Look up the newest record of a secret's reading."""
    answer = cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": _READING}],
        StartTime=now - timedelta(hours=hours),
        MaxResults=1,
    )
    return Trail(max((event["EventTime"].astimezone(UTC) for event in answer["Events"]), default=None))


def read_envelope(eks: Any, cluster: str) -> frozenset[str]:  # noqa: ANN401  as above
    """Return which kinds of objects EKS encrypts with a key of KMS."""
    described = eks.describe_cluster(name=cluster)["cluster"]
    return frozenset(
        kind
        for each in described.get("encryptionConfig", ())
        if each.get("provider", {}).get("keyArn")
        for kind in each.get("resources", ())
    )


def reads_cluster_audit(eks: Any, cluster: str) -> bool:  # noqa: ANN401  as above
    """Tell whether EKS keeps the API server's audit log."""
    described = eks.describe_cluster(name=cluster)["cluster"]
    return any(
        each.get("enabled") and "audit" in each.get("types", ())
        for each in described.get("logging", {}).get("clusterLogging", ())
    )
