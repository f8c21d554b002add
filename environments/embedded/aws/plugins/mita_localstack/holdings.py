"""What LocalStack holds that decisions depend on: policies, tags and states of resources.

Each function imports the service's model when it is called: only services in use are loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# ruff: noqa: PLC0415  see above


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A resource as LocalStack holds it.

    Attributes:
        arn: Its ARN.
        tags: Its tags.
        policy: JSON text of its policy.
        key: ARN or id of the customer-managed key that encrypts it.
        function: ARN of the function that rotates it.
    """

    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)
    policy: str | None = None
    key: str | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey(Held):
    """A key of KMS.

    Attributes:
        state: ``Enabled``, ``Disabled``, ``PendingDeletion``, ...
        aliases: Names of its aliases.
        grants: Its grants, as ListGrants shows them.
    """

    state: str
    aliases: tuple[str, ...] = ()
    grants: tuple[Mapping[str, Any], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its ARN, and the names and ARNs of its aliases."""
        place = self.arn.partition(":key/")[0]
        return (self.arn, *self.aliases, *(f"{place}:{alias}" for alias in self.aliases))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldIdentity:
    """A user's or role's policies and tags.

    Attributes:
        arn: ARN of the user or role.
        unique_id: Its unique id.
        policies: JSON texts of its own policies, the attached ones, and those of groups.
        boundary: JSON text of the permissions boundary; an unknown one allows nothing.
        tags: Its tags.
        trust: JSON text of the role's trust policy.
        longest_session: Seconds that a session of the role may last.
    """

    arn: str
    unique_id: str
    policies: tuple[str, ...]
    boundary: str | None
    tags: Mapping[str, str]
    trust: str | None = None
    longest_session: int = 3600


def secret(account: str, region: str, name_or_arn: str) -> Held | None:
    """Find a secret by name, ARN, or ARN without its last six characters."""
    from moto.secretsmanager.models import secretsmanager_backends

    found = secretsmanager_backends[account][region].secrets.get(name_or_arn)
    if found is None:
        return None
    return Held(
        arn=found.arn,
        tags=_tags(found.tags),
        policy=found.policy,
        key=found.kms_key_id,
        function=found.rotation_lambda_arn or None,
    )


def key(account: str, region: str, any_id: str) -> HeldKey | None:
    """Find a key by id, ARN, alias or alias' ARN."""
    from localstack.services.kms.models import kms_stores

    store = kms_stores[account][region]
    name = any_id.split(":", 5)[-1] if any_id.startswith("arn:") else any_id
    if name.startswith("alias/"):
        alias = store.aliases.get(name)
        key_id = alias.metadata["TargetKeyId"] if alias else ""
    else:
        key_id = name.removeprefix("key/")
    found = store.keys.get(key_id)
    if found is None:
        return None
    arn = found.metadata["Arn"]
    return HeldKey(
        arn=arn,
        tags=store.tags.get_tags(arn),
        policy=found.policy,
        state=found.metadata["KeyState"],
        aliases=tuple(name for name, each in store.aliases.items() if each.metadata["TargetKeyId"] == key_id),
        grants=tuple(each.metadata for each in store.grants.values() if each.metadata["KeyArn"] == arn),
    )


def key_of_ciphertext(account: str, region: str, ciphertext: bytes) -> HeldKey | None:
    """Find the key that something was encrypted with."""
    from localstack.services.kms.models import deserialize_ciphertext_blob

    try:
        key_id = deserialize_ciphertext_blob(ciphertext).key_id
    except Exception:  # noqa: BLE001  it is the caller's, and may be anything
        return None
    return key(account, region, key_id)


def function_policy(account: str, region: str, name: str, qualifier: str) -> str | None:
    """Return the policy of a function, as JSON text."""
    import dataclasses
    import json

    from localstack.services.lambda_.invocation.models import lambda_stores

    function = lambda_stores[account][region].functions.get(name)
    permission = function.permissions.get(qualifier) if function else None
    return json.dumps(dataclasses.asdict(permission.policy)) if permission else None


def role(account: str, name: str) -> HeldIdentity | None:
    """Find a role by its name."""
    from moto.iam.models import iam_backends

    backend = iam_backends[account]["aws"]
    found = next((each for each in backend.roles.values() if each.name == name), None)
    if found is None:
        return None
    tags = found.tags.values() if isinstance(found.tags, dict) else found.tags
    return HeldIdentity(
        arn=found.arn,
        unique_id=found.id,
        policies=(*found.policies.values(), *_default_versions(found.managed_policies.values())),
        boundary=_boundary(backend, found.permissions_boundary_arn),
        tags=_tags(tags),
        trust=_text(found.assume_role_policy_document),
        longest_session=int(found.max_session_duration or 3600),
    )


def user(account: str, name: str) -> HeldIdentity | None:
    """Find a user by his name."""
    from moto.iam.models import iam_backends

    backend = iam_backends[account]["aws"]
    found = backend.users.get(name)
    if found is None:
        return None
    holders = [found, *backend.get_groups_for_user(name)]
    return HeldIdentity(
        arn=found.arn,
        unique_id=found.id,
        policies=tuple(
            policy
            for holder in holders
            for policy in (*holder.policies.values(), *_default_versions(holder.managed_policies.values()))
        ),
        # LocalStack puts it there only when there is one.
        boundary=_boundary(backend, getattr(found, "permissions_boundary", None)),
        tags=_tags(found.tags),
    )


def managed_policy(account: str, arn: str) -> str | None:
    """Return the text of a managed policy in its default version."""
    from moto.iam.models import iam_backends

    policy = iam_backends[account]["aws"].managed_policies.get(arn)
    return next(_default_versions([policy]), None) if policy else None


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider of IAM."""

    arn: str
    audiences: tuple[str, ...]
    thumbprints: tuple[str, ...]


def identity_provider(account: str, host: str) -> Provider | None:
    """Find an identity provider by its URL without the scheme."""
    from moto.iam.models import iam_backends

    arn = f"arn:aws:iam::{account}:oidc-provider/{host}"
    found = iam_backends[account]["aws"].open_id_providers.get(arn)
    if found is None:
        return None
    return Provider(arn, tuple(found.client_id_list), tuple(found.thumbprint_list))


_NOTHING = '{"Version": "2012-10-17", "Statement": []}'


def _boundary(backend: Any, arn: str | None) -> str | None:  # noqa: ANN401  moto's backend
    if not arn:
        return None
    policy = backend.managed_policies.get(arn)
    return next(_default_versions([policy]), _NOTHING) if policy else _NOTHING


def _default_versions(policies: Iterable[Any]) -> Iterator[str]:
    for policy in policies:
        for version in policy.versions:
            if version.version_id == policy.default_version_id:
                yield _text(version.document)


def _text(document: Any) -> str:  # noqa: ANN401  moto keeps some documents read, others as they came
    import json

    return document if isinstance(document, str) else json.dumps(document)


def _tags(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or ()}
