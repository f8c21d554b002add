"""IAM roles of the desired state: whom each trusts, and what each may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deployer.desired_secrets import Strict

Name = Annotated[str, Field(min_length=1)]

# What statements may refer to, each with a name after a colon, or without one.
_NAMED = ("administrator", "function-logs", "role", "secrets")
_UNNAMED = ("any", "cluster", "key")

Resource = Annotated[str, Field(pattern=rf"^({'|'.join(_UNNAMED)}|({'|'.join(_NAMED)}):[A-Za-z0-9/_*-]+)$")]


class RoleStatement(Strict):
    """One statement of a role's policy, which allows something.

    Attributes:
        sid: Its name, which says what it is for.
        actions: What it allows; no wildcards.
        resources: On what: `key`, `cluster`, `secrets:NAME` or `secrets:*` (all under the prefix),
            `administrator:NAME`, `role:NAME`, `function-logs:FUNCTION`, or `any` for actions
            that AWS does not decide by resource.
        through: The service that alone may make the call in the role's name.
    """

    sid: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
    actions: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z]+:[A-Za-z]+$")], ...], Field(min_length=1)]
    resources: Annotated[tuple[Resource, ...], Field(min_length=1)]
    through: Literal["secretsmanager"] | None = None


class DesiredRole(Strict):
    """An IAM role, with exactly one kind of caller that may take it on.

    Attributes:
        service_account: The Kubernetes service account, as `NAMESPACE/NAME`, that takes it on by
            its token; empty for another kind of caller.
        audience: The audience that such a token must have.
        service: The AWS service that takes it on, such as `lambda.amazonaws.com`.
        account: Whether principals of the account take it on, whom their own policies allow that.
    """

    phase: Annotated[int, Field(ge=0, le=8)]
    name: Name
    policy_name: Name
    service_account: Annotated[str, Field(pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$")] = ""
    audience: str = ""
    service: Annotated[str, Field(pattern=r"^[a-z]+\.amazonaws\.com$")] | None = None
    account: Literal[True] | None = None
    statements: Annotated[tuple[RoleStatement, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_kind_of_caller(self) -> Self:
        callers = {
            "service_account": bool(self.service_account),
            "service": self.service is not None,
            "account": self.account is not None,
        }
        given = [name for name, is_given in callers.items() if is_given]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(callers)}, not {', '.join(given) or 'none'}")
        if bool(self.service_account) != bool(self.audience):
            raise ValueError("service_account and audience go together")
        return self

    @property
    def subject(self) -> str:
        """The service account as its tokens name it."""
        return "system:serviceaccount:" + self.service_account.replace("/", ":")

    def allows(self, action: str) -> bool:
        """Tell whether a statement allows an action on something."""
        return any(action in statement.actions for statement in self.statements)

    def named(self, kind: str) -> Iterator[str]:
        """Name what the statements refer to of one kind, such as `secrets`; without wildcards."""
        for resource in (each for statement in self.statements for each in statement.resources):
            found, _, name = resource.partition(":")
            if found == kind and name != "*":
                yield name
