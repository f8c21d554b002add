"""IAM roles: trust, the one inline policy, nothing attached, tags."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.changes import KNOWN_LATER, Change, differences
from deployer.connections import ClusterIdentity
from deployer.desired import Desired
from deployer.desired_roles import DesiredRole, RoleStatement
from deployer.kinds.identity_provider import issuer_host, provider_arn
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.kms import Keys, KeyState
from deployer.policies import Document, document, normal


@dataclass(frozen=True, slots=True)
class RoleState:
    """A role as it was observed.

    Attributes:
        policies: Inline policies by name.
        attached: ARNs of the managed policies that are attached.
        boundary: ARN of the permissions boundary.
    """

    trust: Document
    policies: Mapping[str, Document]
    attached: frozenset[str]
    boundary: str | None
    tags: Mapping[str, str]


class Roles(Kind[RoleState]):
    """The roles of one phase."""

    kind = "iam-role"

    def __init__(
        self,
        phase: int,
        desired: Desired,
        *,
        keys: Keys,
        account: str,
        region: str,
        cluster: ClusterIdentity,
        iam: Any,  # noqa: ANN401  boto3 client
    ) -> None:
        super().__init__(phase)
        self._desired = desired
        self._keys = keys
        self._account = account
        self._region = region
        self._issuer = cluster.oidc_issuer
        self._iam = iam
        self._wanted = {role.name: role for role in desired.roles if role.phase == phase}

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, RoleState]:
        """Read the roles with their policies and tags: one listing, whatever their number."""
        wanted = self._wanted.keys() if names is None else names
        pages = self._iam.get_paginator("get_account_authorization_details").paginate(
            Filter=["Role"], PaginationConfig={"PageSize": 1000}
        )
        return {
            role["RoleName"]: _state(role)
            for page in pages
            for role in page["RoleDetailList"]
            if role["RoleName"] in wanted
        }

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare each role; policies that were added by others are drift as well."""
        seen, key = self.seen(observed), self._keys.key_in(observed)
        return [self._difference(role, seen.get(name), key) for name, role in self._wanted.items()]

    def _difference(self, role: DesiredRole, state: RoleState | None, key: KeyState | None) -> Change:
        wanted: dict[str, Any] = {
            "attached": [],
            "boundary": None,
            "policies": {role.policy_name: self._policy(role, key)},
            "tags": self._desired.tags,
            "trust": self._trust(role),
        }
        if state is None:
            return self.create(role.name, "there is no such role", differences({}, wanted))
        before = {
            "attached": sorted(state.attached),
            "boundary": state.boundary,
            "policies": state.policies,
            "tags": {tag: value for tag, value in state.tags.items() if tag in self._desired.tags},
            "trust": state.trust,
        }
        return self.update(role.name, differences(before, wanted))

    def _trust(self, role: DesiredRole) -> Document:
        if role.service is not None:
            sid, action = "OneService", "sts:AssumeRole"
            principal, condition = {"Service": role.service}, None
        elif role.account:
            sid, action = "WhomTheirOwnPoliciesAllow", "sts:AssumeRole"
            principal, condition = {"AWS": f"arn:aws:iam::{self._account}:root"}, None
        else:
            sid, action = "OneServiceAccountByItsToken", "sts:AssumeRoleWithWebIdentity"
            host = issuer_host(self._issuer)
            principal = {"Federated": provider_arn(self._account, self._issuer)}
            condition = {"StringEquals": {f"{host}:aud": role.audience, f"{host}:sub": role.subject}}
        statement = {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": action}
        return document([statement | ({"Condition": condition} if condition else {})])

    def _policy(self, role: DesiredRole, key: KeyState | None) -> Document:
        return document(self._statement(each, key) for each in role.statements)

    def _statement(self, statement: RoleStatement, key: KeyState | None) -> Mapping[str, Any]:
        made = {
            "Sid": statement.sid,
            "Effect": "Allow",
            "Action": list(statement.actions),
            "Resource": [self._resource(each, key) for each in statement.resources],
        }
        if statement.through is None:
            return made
        service = f"{statement.through}.{self._region}.amazonaws.com"
        return made | {"Condition": {"StringEquals": {"kms:ViaService": service}}}

    def _resource(self, resource: str, key: KeyState | None) -> str:
        if resource == "any":
            return "*"
        if resource == "key":
            return key.arn if key else KNOWN_LATER
        kind, _, name = resource.partition(":")
        here = f"{self._region}:{self._account}"
        if kind == "cluster":
            return f"arn:aws:eks:{here}:cluster/{self._desired.cluster}"
        if kind == "role":
            return f"arn:aws:iam::{self._account}:role/{name}"
        if kind == "function-logs":
            return f"arn:aws:logs:{here}:log-group:/aws/lambda/{name}:*"
        # Secrets Manager ends each secret's ARN with six characters of its own.
        store = self._desired.secret_store
        prefix = store.prefix if kind == "secrets" else store.administrators_prefix
        return f"arn:aws:secretsmanager:{here}:secret:{prefix}{'*' if name == '*' else f'{name}-??????'}"

    def apply(self, change: Change, observed: Observed) -> None:
        """Make or mend one role."""
        role = self._wanted[change.name]
        key = self._keys.key_in(observed)
        tags = [{"Key": tag, "Value": value} for tag, value in self._desired.tags.items()]
        trust = json.dumps(self._trust(role))
        state = self.seen(observed).get(role.name)
        if state is None:
            self._iam.create_role(RoleName=role.name, AssumeRolePolicyDocument=trust, Tags=tags)
        else:
            self._iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=trust)
            self._iam.tag_role(RoleName=role.name, Tags=tags)
            self._remove_additions(role, state)
        self._iam.put_role_policy(
            RoleName=role.name,
            PolicyName=role.policy_name,
            PolicyDocument=json.dumps(self._policy(role, key)),
        )

    def _remove_additions(self, role: DesiredRole, state: RoleState) -> None:
        for name in state.policies.keys() - {role.policy_name}:
            self._iam.delete_role_policy(RoleName=role.name, PolicyName=name)
        for arn in state.attached:
            self._iam.detach_role_policy(RoleName=role.name, PolicyArn=arn)
        if state.boundary is not None:
            self._iam.delete_role_permissions_boundary(RoleName=role.name)


def _state(role: Mapping[str, Any]) -> RoleState:
    return RoleState(
        trust=normal(role["AssumeRolePolicyDocument"]),
        policies={
            each["PolicyName"]: normal(each["PolicyDocument"]) for each in role.get("RolePolicyList", [])
        },
        attached=frozenset(each["PolicyArn"] for each in role.get("AttachedManagedPolicies", [])),
        boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        tags={tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
    )
