"""One call on its way through the guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localstack.aws.api import RequestContext

from . import records
from .callers import Caller
from .calls import Call, Needed


@dataclass(slots=True)
class Visit:
    """What is known of a call so far.

    Attributes:
        context: The request, as LocalStack has it.
        call: The call.
        caller: Who makes it, once that is known.
        identity: The caller as the trail names him.
        permissions: What the call needs.
        answered: What of the answer is recorded.
        recorded: Whether it is recorded.
        uses: Records of what was done with keys for it, which go before its own.
    """

    context: RequestContext
    call: Call
    caller: Caller | None = None
    identity: Mapping[str, Any] = field(default_factory=lambda: records.identity_of(None))
    permissions: list[Needed] = field(default_factory=list)
    answered: Mapping[str, Any] | None = None
    recorded: bool = True
    uses: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, context: RequestContext) -> Visit:
        """Begin with a parsed request."""
        call = Call(
            service=context.service.service_name,
            operation=context.operation.name,
            parameters=context.service_request or {},
            account=context.account_id,
            region=context.region,
        )
        return cls(context, call)

    @property
    def resources(self) -> tuple[str, ...]:
        """ARNs of what the call is about."""
        return tuple(dict.fromkeys(each.resource for each in self.permissions))

    @property
    def principal(self) -> str:
        """ARN of the caller, or name of the service; empty for nobody."""
        return self.caller.arn or self.caller.service if self.caller else ""
