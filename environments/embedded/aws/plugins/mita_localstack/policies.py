"""IAM policy documents, read once and matched against requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from .conditions import holds, known
from .patterns import Context, Values, expanded, matches_arn, wildcard

_VERSION_WITH_VARIABLES = "2012-10-17"


class MalformedPolicyError(ValueError):
    """A document is not an IAM policy."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to do.

    Attributes:
        action: Such as ``secretsmanager:GetSecretValue``.
        resource: Its ARN, or ``*`` for an action that has none.
        context: Values of condition keys.
    """

    action: str
    resource: str
    context: Context


@dataclass(frozen=True, slots=True)
class Principal:
    """Who wants it, by the names that policies may call him.

    Attributes:
        account: Account id.
        arn: ARN of the user or of the role's session; empty for others.
        role: ARN of the session's role.
        service: Name such as ``lambda.amazonaws.com``.
        federated: ARN of the identity provider that vouches for a token.
    """

    account: str
    arn: str = ""
    role: str = ""
    service: str = ""
    federated: str = ""


class Named(IntEnum):
    """How closely a resource policy names a principal."""

    NOT = 0
    BY_ACCOUNT = 1
    BY_ANYONE = 2
    BY_ROLE = 3
    ITSELF = 4


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    sid: str
    allows: bool
    actions: Values
    other_actions: bool
    resources: Values | None
    other_resources: bool
    principals: Mapping[str, Values] | None
    other_principals: bool
    conditions: tuple[tuple[str, str, Values], ...]
    variables: bool

    def concerns(self, action: str, resource: str) -> bool:
        """Tell whether action and resource fit, as far as that is the same for every request about them."""
        return self._fits_action(action) and (self._varies or self._fits_resource(resource, {}))

    def applies(self, request: Request) -> bool:
        """Tell whether what depends on the request fits as well, of a statement that concerns it."""
        if self._varies and not self._fits_resource(request.resource, request.context):
            return False
        return self._fits_conditions(request)

    @property
    def _varies(self) -> bool:
        return self.variables and any("${" in resource for resource in self.resources or ())

    def names(self, principal: Principal) -> Named:
        """Tell how closely the statement names a principal; one without principals names nobody."""
        if self.principals is None:
            return Named.NOT
        found = max((_named(kind, name, principal) for kind, name in self._named()), default=Named.NOT)
        if self.other_principals:
            return Named.NOT if found else Named.BY_ANYONE
        return found

    def _named(self) -> list[tuple[str, str]]:
        return [(kind, name) for kind, names in (self.principals or {}).items() for name in names]

    def _fits_action(self, action: str) -> bool:
        found = any(wildcard(each, ignore_case=True).fullmatch(action) is not None for each in self.actions)
        return found != self.other_actions

    def _fits_resource(self, resource: str, context: Context) -> bool:
        if self.resources is None:
            return True  # a trust policy is about the role that it belongs to
        found = any(self._is_resource(each, resource, context) for each in self.resources)
        return found != self.other_resources

    def _is_resource(self, wanted: str, resource: str, context: Context) -> bool:
        pattern = expanded(wanted, context) if self.variables else ((wanted, True),)
        return pattern is not None and matches_arn(pattern, resource)

    def _fits_conditions(self, request: Request) -> bool:
        return all(
            holds(operator, key, wanted, request.context, variables=self.variables)
            for operator, key, wanted in self.conditions
        )


@lru_cache(maxsize=1024)
def read(document: str) -> tuple[Statement, ...]:
    """Read a policy document.

    Args:
        document: JSON text, percent-encoded or not.

    Raises:
        MalformedPolicyError: It is not an IAM policy.
    """
    try:
        try:
            plain = json.loads(document)
        except ValueError:
            plain = json.loads(unquote(document))
        variables = plain.get("Version") == _VERSION_WITH_VARIABLES
        return tuple(_statement(each, variables=variables) for each in _listed(plain["Statement"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        msg = f"not an IAM policy: {type(error).__name__}"
        raise MalformedPolicyError(msg) from error


@lru_cache(maxsize=4096)
def concerning(document: str, action: str, resource: str) -> tuple[Statement, ...]:
    """Return the statements of a document that concern an action on a resource, in whatever request.

    Remembered, because the same few calls are made again and again.

    Raises:
        MalformedPolicyError: It is not an IAM policy.
    """
    return tuple(each for each in read(document) if each.concerns(action, resource))


def _statement(plain: Mapping[str, Any], *, variables: bool) -> Statement:
    if plain["Effect"] not in ("Allow", "Deny"):
        raise ValueError(plain["Effect"])
    actions, other_actions = _either(plain, "Action")
    resources, other_resources = _either(plain, "Resource")
    principals, other_principals = _either(plain, "Principal")
    if actions is None:
        msg = "Action"
        raise KeyError(msg)
    return Statement(
        sid=str(plain.get("Sid", "")),
        allows=plain["Effect"] == "Allow",
        actions=_texts(actions),
        other_actions=other_actions,
        resources=None if resources is None else _texts(resources),
        other_resources=other_resources,
        principals=None if principals is None else _principals(principals),
        other_principals=other_principals,
        conditions=tuple(_conditions(plain.get("Condition", {}))),
        variables=variables,
    )


def _either(plain: Mapping[str, Any], name: str) -> tuple[Any, bool]:
    if name in plain and f"Not{name}" in plain:
        raise ValueError(name)
    return plain.get(name, plain.get(f"Not{name}")), f"Not{name}" in plain


def _conditions(plain: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Values]]:
    conditions = []
    for operator, tests in plain.items():
        if not known(operator):
            raise ValueError(operator)
        conditions += [(operator, key, _texts(values)) for key, values in tests.items()]
    return conditions


def _principals(plain: Any) -> Mapping[str, Values]:  # noqa: ANN401  JSON: "*", or an object
    if plain == "*":
        return {"AWS": ("*",)}
    return {kind: _texts(names) for kind, names in plain.items()}


def _listed(value: Any) -> Sequence[Any]:  # noqa: ANN401  JSON: one, or a list
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> Values:  # noqa: ANN401  JSON: one, or a list
    return tuple(_as_text(each) for each in _listed(value))


def _as_text(value: Any) -> str:  # noqa: ANN401  JSON
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value)


def _named(kind: str, name: str, principal: Principal) -> Named:
    match kind:
        case "AWS":
            return _aws_named(name, principal)
        case "Service":
            return Named.ITSELF if principal.service and name == principal.service else Named.NOT
        case "Federated":
            return Named.ITSELF if principal.federated and name == principal.federated else Named.NOT
        case _:
            return Named.NOT


def _aws_named(name: str, principal: Principal) -> Named:
    if name == "*":
        return Named.BY_ANYONE
    if not principal.arn:
        return Named.NOT
    if name == principal.arn:
        return Named.ITSELF
    if name == principal.role:
        return Named.BY_ROLE
    if name in (principal.account, f"arn:aws:iam::{principal.account}:root"):
        return Named.BY_ACCOUNT
    return Named.NOT
