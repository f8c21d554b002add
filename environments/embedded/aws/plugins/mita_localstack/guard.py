"""What stands before every call to LocalStack: identity, faults, permissions; and behind it, the trail."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import RequestContext, ServiceException
from localstack.aws.chain import HandlerChain
from localstack.aws.protocol.serializer import create_serializer
from localstack.http import Response

from . import clusters, forms, records, refusals, sessions
from .actions import needed
from .authorization import Authorization, authorize_service, common_context, may_rotate
from .callers import Caller, Callers, Kind
from .calls import Call
from .fault_socket import FaultServer
from .faults import Delay, Faults, Refuse, Reset
from .key_use import KeyUse
from .rotation_state import RotatedSecret
from .rotations import Rotations
from .server import ABORT
from .settings import Cluster, Settings
from .trail import Trail
from .visits import Visit
from .web_identity import WebIdentities

_HEALTH = "/_localstack/health"
_CLOSED = ("/_localstack", "/_aws")
_LONGEST_MESSAGE = 500


class Guard:
    """Handles each request before LocalStack's services do, and each answer after them.

    Args:
        settings: Of this run.

    Raises:
        OSError: The trail or the socket for faults cannot be made.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._callers = Callers(settings)
        self._faults = Faults()
        self._web_identities = WebIdentities()
        self._trail = Trail(settings.trail)
        self._keys = KeyUse(self._faults)
        self._rotations = Rotations(self._trail)
        FaultServer(settings.faults, self._faults).start()

    def install(self, gateway: Any) -> None:  # noqa: ANN401  LocalStack's gateway has no types
        """Become part of LocalStack's handling of requests."""
        steps = gateway.request_handlers
        steps[steps.index(handlers.parse_service_request)] = forms.parse
        steps[:0] = [close_back_doors, keep_form]
        handlers.serve_custom_service_request_handlers.append(self.before)
        handlers.run_custom_response_handlers.append(self.after)

    def before(self, chain: HandlerChain, context: RequestContext, response: Response) -> None:
        """Let a call through, answer it, or refuse it by raising AWS' error."""
        if context.service is None or context.operation is None:
            return
        visit = context.mita_visit = Visit.of(context)
        caller = visit.caller = self._callers.identify(context)
        visit.identity = records.identity_of(caller)
        by_token = (visit.call.service, visit.call.operation) == ("sts", "AssumeRoleWithWebIdentity")
        if caller.kind is Kind.NOBODY and not by_token:
            raise refusals.unsigned(context)
        forms.require_valid(context)
        visit.permissions = needed(visit.call)
        if caller.kind is Kind.INTERNAL:
            self._let_service(visit, caller)
        elif not self._strike(chain, visit):
            if by_token:
                self._assume(chain, response, visit)
            else:
                self._authorize(visit, caller)
                self._answer(chain, response, visit, caller)

    def after(self, _chain: HandlerChain, context: RequestContext, _response: Response) -> None:
        """Take note of a session that was made, and record the call."""
        visit: Visit | None = context.get("mita_visit")
        if visit is None:
            return
        error = context.service_exception
        if error is None and (visit.call.service, visit.call.operation) == ("sts", "AssumeRole"):
            session = sessions.of_assumed_role(visit.call.parameters, context.service_response)
            self._callers.remember(session)
            visit.answered = sessions.recorded(session)
        if visit.recorded:
            self._record(visit, _described(error))
        for effect in self._striking(visit, served=True):
            if isinstance(effect, Delay):
                time.sleep(effect.seconds)

    def _striking(self, visit: Visit, *, served: bool) -> list[Refuse | Delay | Reset]:
        call = visit.call
        return self._faults.striking(
            call.service, call.operation, visit.principal, visit.resources, served=served
        )

    def _strike(self, chain: HandlerChain, visit: Visit) -> bool:
        """Do to a call what faults do; True when nothing more happens to it."""
        for effect in self._striking(visit, served=False):
            match effect:
                case Delay():
                    time.sleep(effect.seconds)
                case Refuse():
                    raise refusals.refusal(effect.code, effect.message, effect.status)
                case Reset():
                    self._record(visit, ("ConnectionReset", "The connection was reset by a fault."))
                    visit.context.request.environ[ABORT]()
                    chain.terminate()
                    return True
        return False

    def _let_service(self, visit: Visit, caller: Caller) -> None:
        # LocalStack's own plumbing is no call of AWS; a service that acts for somebody makes one.
        visit.recorded = bool(caller.service)
        for permission in visit.permissions if caller.service else ():
            decision = authorize_service(caller, visit.call, visit.context, permission)
            if not decision.allowed:
                message = (
                    f"{caller.service} is not authorized to perform {permission.action} {decision.reason}"
                )
                raise refusals.denied(visit.context, message)

    def _authorize(self, visit: Visit, caller: Caller) -> None:
        authorization = Authorization(caller, visit.call, visit.context)
        for permission in visit.permissions:
            decision = authorization.decide(permission)
            if not decision.allowed:
                raise refusals.denied(visit.context, authorization.message(permission, decision))
            self._keys.check(visit, permission)
        self._keys.for_secrets(visit, authorization)
        rotates = (visit.call.service, visit.call.operation) == ("secretsmanager", "RotateSecret")
        if rotates and not may_rotate(visit.call, visit.context):
            raise refusals.denied(
                visit.context,
                "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function "
                "policy grants access to the principal secretsmanager.amazonaws.com.",
            )

    def _answer(self, chain: HandlerChain, response: Response, visit: Visit, caller: Caller) -> None:
        """Answer what LocalStack does not have, or does otherwise."""
        call = visit.call
        match call.service, call.operation:
            case "secretsmanager", "PutSecretValue":
                _require_new_value(call)
            case "secretsmanager", "RotateSecret":
                _respond(chain, response, visit, self._rotations.rotate(call))
            case "secretsmanager", "CancelRotateSecret":
                _respond(chain, response, visit, self._rotations.cancel(call))
            case "eks", operation if operation in clusters.OPERATIONS:
                _respond(chain, response, visit, clusters.answer(call, self._cluster()))
            case "cloudtrail", "LookupEvents":
                _respond(chain, response, visit, self._trail.look_up(call.parameters))
            case "sts", "GetCallerIdentity":
                identity = {"UserId": caller.unique_id, "Account": caller.account, "Arn": caller.arn}
                _respond(chain, response, visit, identity)

    def _assume(self, chain: HandlerChain, response: Response, visit: Visit) -> None:
        parameters, known = visit.call.parameters, common_context(visit.context, visit.call)
        assumed = self._web_identities.assume(parameters, self._cluster(), known)
        visit.identity = records.web_identity(
            assumed.provider, assumed.claims.audience, assumed.claims.subject
        )
        session = sessions.of_web_identity(assumed, parameters)
        self._callers.remember(session)
        visit.answered = sessions.recorded(session)
        _respond(chain, response, visit, sessions.web_identity_answer(session, assumed.claims.audience))

    def _cluster(self) -> Cluster | None:
        return Cluster.read(self._settings.cluster)

    def _record(self, visit: Visit, error: tuple[str, str] | None) -> None:
        made = records.record(
            visit.context,
            visit.call,
            visit.identity,
            resources=(error is None and records.created(visit.call, visit.context)) or visit.resources,
            error=error,
            answered=visit.answered if error is None else None,
        )
        self._trail.append(*visit.uses, made)


def _require_new_value(call: Call) -> None:
    given = call.parameters
    if token := given.get("ClientRequestToken"):
        secret = RotatedSecret(call.account, call.region, given["SecretId"])
        secret.require_new(token, given.get("SecretString"), given.get("SecretBinary"))


def close_back_doors(chain: HandlerChain, context: RequestContext, _response: Response) -> None:
    """Keep everybody from LocalStack's own ways of looking into and changing its state."""
    path = context.request.path
    if path.startswith(_CLOSED) and not (path == _HEALTH and context.request.method in ("GET", "HEAD")):
        chain.respond(403, {"message": "closed in this environment"})


def keep_form(_chain: HandlerChain, context: RequestContext, _response: Response) -> None:
    """Read a form before it is parsed: afterwards it is gone, and its signature could not be checked."""
    if context.request.mimetype == "application/x-www-form-urlencoded":
        context.request.get_data()


def _respond(chain: HandlerChain, response: Response, visit: Visit, answer: Mapping[str, Any]) -> None:
    context = visit.context
    serializer = create_serializer(context.service, context.protocol)
    response.update_from(
        serializer.serialize_to_response(
            answer, context.operation, context.request.headers, context.request_id
        )
    )
    context.service_response = answer
    chain.stop()


def _described(error: ServiceException | None) -> tuple[str, str] | None:
    if error is None:
        return None
    code, message = getattr(error, "code", type(error).__name__), getattr(error, "message", "")
    return str(code), str(message)[:_LONGEST_MESSAGE]
