"""Whether a caller may make a call, by all policies that LocalStack holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property

from localstack.aws.api import RequestContext

from . import holdings
from .actions import needed as needed_for
from .callers import Caller, Kind, Session
from .calls import Call, Needed
from .decisions import ALLOWED, Decision, Policies, decide
from .holdings import HeldIdentity, HeldKey
from .patterns import Context
from .policies import Request

_EVERYTHING = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
# AWS gives these to everybody whom it knows.
_FREE = {"sts:GetCallerIdentity"}
_OPEN_TO_SERVICES = {"sts:AssumeRole", "lambda:InvokeFunction"}
_RESOURCE_POLICY_REQUIRED = {"sts:AssumeRole", "sts:TagSession"}


class Authorization:
    """What one caller may do in one call.

    Args:
        caller: Who calls.
        call: The call.
        context: The request.
    """

    def __init__(self, caller: Caller, call: Call, context: RequestContext) -> None:
        self._caller = caller
        self._call = call
        self._request = context

    @cached_property
    def _identity(self) -> HeldIdentity | None:
        return _identity(self._caller)

    @cached_property
    def context(self) -> dict[str, tuple[str, ...]]:
        """Condition keys of the caller and of the request, whatever it is about."""
        known = common_context(self._request, self._call)
        return known | _principal_context(self._caller, self._identity)

    def decide(self, needed: Needed) -> Decision:
        """Decide one permission."""
        if needed.action in _FREE:
            return ALLOWED
        if self._caller.kind is Kind.ADMINISTRATOR and needed.action not in _RESOURCE_POLICY_REQUIRED:
            return ALLOWED
        request = Request(needed.action, needed.resource, _Known(needed.context, self))
        policies = self._policies(needed)
        if policies is None:
            return Decision(
                allowed=False, reason=f"because no resource-based policy allows the {needed.action} action"
            )
        return decide(request, self._caller.principal(), policies, owner=_owner(needed, self._caller))

    def message(self, needed: Needed, decision: Decision) -> str:
        """Word a refusal as AWS does."""
        return (
            f"User: {self._caller.arn} is not authorized to perform: {needed.action} "
            f"on resource: {needed.resource} {decision.reason}"
        )

    def _policies(self, needed: Needed) -> Policies | None:
        identity, session = self._identity, self._caller.session
        resource, must_allow = resource_policy(needed)
        if must_allow and resource is None:
            return None
        administrator = self._caller.kind is Kind.ADMINISTRATOR
        return Policies(
            identity=(_EVERYTHING,) if administrator else identity.policies if identity else (),
            boundary=identity.boundary if identity else None,
            session=_session_policies(session) if session else (),
            resource=resource,
            resource_must_allow=must_allow,
            granted=isinstance(needed.held, HeldKey) and self._is_granted(needed, needed.held),
        )

    def _is_granted(self, needed: Needed, key: HeldKey) -> bool:
        session = self._caller.session
        names = {self._caller.arn, session.role if session else self._caller.arn}
        operation = needed.action.removeprefix("kms:")
        return any(
            grant.get("GranteePrincipal") in names
            and operation in grant.get("Operations", ())
            and _fits_constraints(grant.get("Constraints") or {}, needed.context)
            for grant in key.grants
        )


class _Known(Mapping[str, tuple[str, ...]]):
    """Condition keys of one permission, and behind them its caller's, which few policies ask for."""

    def __init__(self, own: Context, behind: Authorization) -> None:
        self._own = own
        self._behind = behind

    def __getitem__(self, key: str) -> tuple[str, ...]:
        return self._own[key] if key in self._own else self._behind.context[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._behind.context, **self._own})

    def __len__(self) -> int:
        return len({*self._behind.context, *self._own})


def authorize_service(caller: Caller, call: Call, context: RequestContext, needed: Needed) -> Decision:
    """Decide what a service of AWS does for somebody: it may what a role or a function lets it do."""
    if needed.action not in _OPEN_TO_SERVICES:
        return ALLOWED
    known = {**common_context(context, call), **needed.context}
    if caller.source:
        known |= {"aws:sourcearn": (caller.source,), "aws:sourceaccount": (call.account,)}
    policy, _required = resource_policy(needed)
    policies = Policies(resource=policy, resource_must_allow=True)
    request = Request(needed.action, needed.resource, known)
    return decide(request, caller.principal(), policies, owner=caller.account)


def may_rotate(call: Call, context: RequestContext) -> bool:
    """Tell whether Secrets Manager may invoke the function that a call wants secrets rotated by."""
    secret = holdings.secret(call.account, call.region, str(call.parameters.get("SecretId", "")))
    function = call.parameters.get("RotationLambdaARN") or (secret.function if secret else None)
    if secret is None or not function:
        return True  # Secrets Manager says by itself what is missing
    invocation = Call(
        service="lambda",
        operation="Invoke",
        parameters={"FunctionName": function},
        account=call.account,
        region=call.region,
    )
    service = Caller(
        kind=Kind.INTERNAL, account=call.account, service="secretsmanager.amazonaws.com", source=secret.arn
    )
    return all(authorize_service(service, call, context, each).allowed for each in needed_for(invocation))


def resource_policy(needed: Needed) -> tuple[str | None, bool]:
    """Return the policy of a resource, and whether nothing happens without its word."""
    if needed.action in _RESOURCE_POLICY_REQUIRED:
        role = holdings.role(_account(needed.resource), needed.resource.rpartition("/")[2])
        trusted = role is not None and role.arn == needed.resource
        return role.trust if role and trusted else None, True
    if isinstance(needed.held, HeldKey):
        return needed.held.policy, True
    return (needed.held.policy if needed.held else None), False


def _fits_constraints(constraints: Mapping[str, Mapping[str, str]], context: Context) -> bool:
    prefix = "kms:encryptioncontext:"
    seen = {
        name.removeprefix(prefix): values[0] for name, values in context.items() if name.startswith(prefix)
    }
    for name, wanted in constraints.items():
        expected = {key.lower(): value for key, value in wanted.items()}
        if name == "EncryptionContextEquals" and seen != expected:
            return False
        if name == "EncryptionContextSubset" and not expected.items() <= seen.items():
            return False
    return True


def common_context(context: RequestContext, call: Call) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that every request has."""
    now = datetime.now(UTC)
    return {
        "aws:currenttime": (now.isoformat(timespec="seconds").replace("+00:00", "Z"),),
        "aws:epochtime": (str(int(now.timestamp())),),
        "aws:requestedregion": (call.region,),
        "aws:sourceip": (str(context.request.environ.get("REMOTE_ADDR", "")),),
        "aws:useragent": (str(context.request.headers.get("User-Agent", "")),),
        # AWS answers nothing without TLS; here the loopback interface stands for it.
        "aws:securetransport": ("true",),
        "aws:viaawsservice": ("false",),
    }


def _session_policies(session: Session) -> tuple[str, ...]:
    # A policy that is not there cannot be read, and decides against.
    managed = (holdings.managed_policy(session.account, arn) or "" for arn in session.managed_policies)
    return (*session.policies, *managed)


def _identity(caller: Caller) -> HeldIdentity | None:
    if caller.session is not None:
        role = holdings.role(caller.session.account, caller.session.role_name)
        # A role of the same name that was made anew is another role.
        return role if role is not None and role.unique_id == caller.session.role_id else None
    return holdings.user(caller.account, caller.name) if caller.kind is Kind.USER else None


def _principal_context(caller: Caller, identity: HeldIdentity | None) -> dict[str, tuple[str, ...]]:
    session = caller.session
    known = {
        "aws:principalarn": session.role if session else caller.arn,
        "aws:principalaccount": caller.account,
        "aws:principaltype": {Kind.SESSION: "AssumedRole", Kind.USER: "User"}.get(caller.kind, "Account"),
        "aws:userid": caller.unique_id,
    }
    if caller.kind is Kind.USER:
        known["aws:username"] = caller.name
    if session is not None:
        known["aws:tokenissuetime"] = f"{session.began:%Y-%m-%dT%H:%M:%SZ}"
        known["aws:multifactorauthpresent"] = "false"
        if session.provider:
            known["aws:federatedprovider"] = session.provider
    tags = {**(identity.tags if identity else {}), **(session.tags if session else {})}
    known |= {f"aws:principaltag/{name.lower()}": value for name, value in tags.items()}
    return {name: (value,) for name, value in known.items()}


def _owner(needed: Needed, caller: Caller) -> str:
    return _account(needed.resource) or caller.account


def _account(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[4] if len(parts) > 4 else ""  # noqa: PLR2004  the fifth of an ARN's six parts
