"""A call to AWS, and the permissions that it needs, with the condition keys of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .holdings import Held

type Parameters = Mapping[str, Any]
type Context = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call to a service.

    Attributes:
        service: Its name, such as ``secretsmanager``.
        operation: Operation, such as ``GetSecretValue``.
        parameters: The request's parameters.
        account: Account that it is about.
        region: Region that it is about.
    """

    service: str
    operation: str
    parameters: Parameters
    account: str
    region: str

    def arn(self, rest: str, *, service: str | None = None) -> str:
        """Return the ARN of a resource of the call's account and region."""
        return f"arn:aws:{service or self.service}:{self.region}:{self.account}:{rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """One permission that a call needs.

    Attributes:
        action: Such as ``kms:Decrypt``.
        resource: ARN, or ``*``.
        held: The resource, if LocalStack has it.
        context: Condition keys of this action.
    """

    action: str
    resource: str = "*"
    held: Held | None = None
    context: Context = field(default_factory=dict)


def taken(parameters: Parameters, keys: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return condition keys that have the values of parameters; those that are not given have none."""
    found = {key.lower(): parameters[name] for key, name in keys.items() if parameters.get(name) is not None}
    if stages := parameters.get("VersionStages"):
        found["secretsmanager:versionstage"] = stages
    return {key: _texts(value) for key, value in found.items()}


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401  a request's parameter
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return (str(value).lower() if isinstance(value, bool) else str(value),)


def with_tags(call: Call, permission: Needed) -> Needed:
    """Add the condition keys of tags, those that the call gives and those that the resource has."""
    context = dict(permission.context)
    requested = _requested_tags(call.parameters)
    context |= {f"aws:requesttag/{name.lower()}": (value,) for name, value in requested.items()}
    if requested or call.parameters.get("TagKeys"):
        context["aws:tagkeys"] = (*requested, *call.parameters.get("TagKeys", ()))
    for name, value in (permission.held.tags if permission.held else {}).items():
        context[f"aws:resourcetag/{name.lower()}"] = (value,)
        context[f"{call.service}:resourcetag/{name.lower()}"] = (value,)
    return Needed(
        action=permission.action, resource=permission.resource, held=permission.held, context=context
    )


def _requested_tags(parameters: Parameters) -> dict[str, str]:
    tags = parameters.get("Tags") or parameters.get("tags") or {}
    if isinstance(tags, Mapping):
        return {str(name): str(value) for name, value in tags.items()}
    pairs = (each for each in tags if isinstance(each, Mapping))
    return {
        str(each.get("Key", each.get("TagKey", ""))): str(each.get("Value", each.get("TagValue", "")))
        for each in pairs
    }
