"""AWS' evaluation logic: what a principal's policies and a resource's policy decide together.

No evaluator published for Python does this whole: moto's, which LocalStack carries, knows
neither conditions nor resource policies, and the complete one is for Node.
"""

from __future__ import annotations

from dataclasses import dataclass

from .policies import MalformedPolicyError, Named, Principal, Request, Statement, concerning


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """JSON texts of all policies that take part in a decision.

    Attributes:
        identity: Of the user and his groups, or of the session's role.
        boundary: The permissions boundary of the user or role.
        session: Given when the session was made.
        resource: The resource's own policy.
        resource_must_allow: Whether nothing happens without a word of the resource's policy:
            so it is for keys and for the trust of roles.
        granted: Whether something else of the resource, a grant of a key, lets it happen.
    """

    identity: tuple[str, ...] = ()
    boundary: str | None = None
    session: tuple[str, ...] = ()
    resource: str | None = None
    resource_must_allow: bool = False
    granted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request may be served.

    Attributes:
        allowed: Whether it may.
        reason: Why not, as AWS ends its messages; empty if it may.
    """

    allowed: bool
    reason: str = ""


ALLOWED = Decision(allowed=True)


def decide(request: Request, principal: Principal, policies: Policies, *, owner: str) -> Decision:
    """Decide one request.

    A policy that cannot be read decides against: nobody can tell what it would have refused.

    Args:
        request: What is wanted.
        principal: By whom.
        policies: What takes part.
        owner: Account of the resource.
    """
    try:
        return _Evaluation(request, principal, policies, owner).decision()
    except MalformedPolicyError as error:
        return Decision(allowed=False, reason=f"because a policy cannot be evaluated: {error}")


class _Evaluation:
    def __init__(self, request: Request, principal: Principal, policies: Policies, owner: str) -> None:
        self._request = request
        self._principal = principal
        self._policies = policies
        self._owner = owner
        self._identity = _applying(policies.identity, request)
        self._boundary = _applying(_optional(policies.boundary), request)
        self._session = _applying(policies.session, request)
        self._resource = [
            (each, named)
            for each in _applying(_optional(policies.resource), request)
            if (named := each.names(principal)) is not Named.NOT
        ]

    def decision(self) -> Decision:
        return self._explicit_denial() or self._permission()

    def _explicit_denial(self) -> Decision | None:
        for kind, statements in (
            ("identity-based policy", self._identity),
            ("resource-based policy", [each for each, _named in self._resource]),
            ("permissions boundary", self._boundary),
            ("session policy", self._session),
        ):
            if any(not each.allows for each in statements):
                article = "an" if kind[0] == "i" else "a"
                return Decision(allowed=False, reason=f"with an explicit deny in {article} {kind}")
        return None

    def _permission(self) -> Decision:
        named = max((named for each, named in self._resource if each.allows), default=Named.NOT)
        by_identity = _allowing(self._identity)
        if self._principal.account != self._owner:
            # Both accounts have to agree.
            by_both = by_identity and named is not Named.NOT
            return self._limited() if by_both else self._because("resource-based policy")
        if named is Named.ITSELF:
            # Nothing limits what a resource gives to a user or session by name.
            return ALLOWED
        if named in (Named.BY_ANYONE, Named.BY_ROLE) or self._policies.granted:
            return self._limited()
        if self._policies.resource_must_allow and named is Named.NOT:
            return self._because("resource-based policy")
        return self._limited() if by_identity else self._because("identity-based policy")

    def _limited(self) -> Decision:
        if self._policies.boundary is not None and not _allowing(self._boundary):
            return self._because("permissions boundary")
        if self._policies.session and not _allowing(self._session):
            return self._because("session policy")
        return ALLOWED

    def _because(self, kind: str) -> Decision:
        return Decision(allowed=False, reason=f"because no {kind} allows the {self._request.action} action")


def _optional(document: str | None) -> tuple[str, ...]:
    return () if document is None else (document,)


def _applying(documents: tuple[str, ...], request: Request) -> list[Statement]:
    return [
        each
        for document in documents
        for each in concerning(document, request.action, request.resource)
        if each.applies(request)
    ]


def _allowing(statements: list[Statement]) -> bool:
    return any(each.allows for each in statements)
