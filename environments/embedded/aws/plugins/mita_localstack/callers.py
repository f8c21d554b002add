"""Who calls: the environment's administrator, users of IAM, sessions of roles, LocalStack itself."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from localstack import constants
from localstack.aws import connect
from localstack.aws.accounts import get_account_id_from_access_key_id
from localstack.aws.api import RequestContext

from . import refusals
from .policies import Principal
from .settings import Settings
from .signatures import FRESH, Signature, SignedRequest, is_genuine

_ACCOUNT_DIGITS = 12
_REMEMBERED = timedelta(hours=1)  # after a session's end: until then it is called expired, and then unknown
_UNSIGNED_KEY = "injectedaccesskey"  # LocalStack's own, for a request without one


class Kind(StrEnum):
    """Kinds of callers."""

    ADMINISTRATOR = "administrator"
    USER = "user"
    SESSION = "session"
    INTERNAL = "internal"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session of a role.

    Attributes:
        access_key: Its access key id.
        secret_key: Its secret access key.
        token: Its session token.
        role: ARN of the role.
        role_id: The role's unique id.
        name: The session's name.
        began: When it began.
        ends: When it ends.
        policies: JSON texts of its session policies.
        managed_policies: ARNs of managed policies that are session policies as well.
        tags: Session tags.
        provider: Identity provider whose token it was made for.
        subject: The token's subject.
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    role: str
    role_id: str
    name: str
    began: datetime
    ends: datetime
    policies: tuple[str, ...] = ()
    managed_policies: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    provider: str = ""
    subject: str = ""

    @property
    def account(self) -> str:
        """The role's account."""
        return self.role.split(":")[4]

    @property
    def role_name(self) -> str:
        """The role's name without its path."""
        return self.role.rpartition("/")[2]

    @property
    def arn(self) -> str:
        """The ARN by which the session is known."""
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role_name}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who made a request.

    Attributes:
        kind: What kind of caller.
        account: Account id.
        access_key: Access key id.
        arn: ARN of the user or session.
        unique_id: Unique id, as ``aws:userid`` has it.
        name: User name.
        session: The role's session.
        service: Name of the service on whose behalf LocalStack calls itself.
        source: ARN of the resource that made the service call.
    """

    kind: Kind
    account: str
    access_key: str = ""
    arn: str = ""
    unique_id: str = ""
    name: str = ""
    session: Session | None = None
    service: str = ""
    source: str = ""

    def principal(self) -> Principal:
        """Return the names that policies may call the caller."""
        role = self.session.role if self.session else ""
        return Principal(account=self.account, arn=self.arn, role=role, service=self.service)


class Callers:
    """Tells who made a request.

    Args:
        settings: Of this run.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        # LocalStack signs the calls that it makes to itself with a constant; nobody else may know it.
        self._internal_key = secrets.token_hex(32)
        constants.INTERNAL_AWS_SECRET_ACCESS_KEY = self._internal_key
        connect.INTERNAL_AWS_SECRET_ACCESS_KEY = self._internal_key

    def remember(self, session: Session) -> None:
        """Take note of a session that was made, and forget those that have ended long ago."""
        with self._lock:
            known = {
                key: each for key, each in self._sessions.items() if each.ends + _REMEMBERED > session.began
            }
            self._sessions = known | {session.access_key: session}

    def identify(self, context: RequestContext) -> Caller:
        """Tell who made a request.

        Raises:
            CommonServiceException: The access key is not known, its session has ended, or
                the request was not signed with its secret, now, for this service.
        """
        request = sent(context)
        authorization = request.header("authorization")
        if not authorization:
            return Caller(kind=Kind.NOBODY, account=self._settings.account)
        signature = Signature.parse(authorization)
        if signature is None or signature.access_key == _UNSIGNED_KEY:
            raise refusals.wrong_signature(context)
        if context.is_internal_call and is_genuine(signature, request, self._internal_key):
            return self._internal(context)
        context.internal_request_params = None  # only LocalStack's own word on its calls counts
        caller, secret_key, token = self._holder(context, signature.access_key)
        if (request.header("x-amz-security-token") or "") != token:
            raise refusals.unknown_key(context)
        if not is_genuine(signature, request, secret_key):
            raise refusals.wrong_signature(context)
        _require_fresh(context, request)
        _require_scope(context, signature)
        if caller.session is not None and caller.session.ends <= datetime.now(UTC):
            raise refusals.expired(context)
        return caller

    def _internal(self, context: RequestContext) -> Caller:
        params: Mapping[str, Any] = context.internal_request_params or {}
        service = str(params.get("service_principal") or "")
        return Caller(
            kind=Kind.INTERNAL,
            account=context.account_id,
            service=f"{service.removesuffix('.amazonaws.com')}.amazonaws.com" if service else "",
            source=str(params.get("source_arn") or ""),
        )

    def _holder(self, context: RequestContext, access_key: str) -> tuple[Caller, str, str]:
        """Return who has an access key, with its secret and its session token."""
        settings = self._settings
        administrator = settings.secret_key.get_secret_value()
        if access_key == settings.access_key:
            return self._administrator(settings.account, access_key), administrator, ""
        # By LocalStack's convention an account id is an access key of that account.
        if len(access_key) == _ACCOUNT_DIGITS and access_key.isdecimal():
            return self._administrator(access_key, access_key), administrator, ""
        if session := self._sessions.get(access_key):
            caller = Caller(
                kind=Kind.SESSION,
                account=session.account,
                access_key=access_key,
                arn=session.arn,
                unique_id=f"{session.role_id}:{session.name}",
                session=session,
            )
            return caller, session.secret_key, session.token
        if found := _user(access_key):
            return *found, ""
        raise refusals.unknown_key(context)

    def _administrator(self, account: str, access_key: str) -> Caller:
        return Caller(
            kind=Kind.ADMINISTRATOR,
            account=account,
            access_key=access_key,
            arn=f"arn:aws:iam::{account}:root",
            unique_id=account,
            name="root",
        )


def _require_fresh(context: RequestContext, request: SignedRequest) -> None:
    # One that was overheard must not work for ever.
    signed, now = request.signed_at(), datetime.now(UTC)
    if signed is None or abs(now - signed) > FRESH:
        raise refusals.not_fresh(context, signed or now, now, FRESH)


def _require_scope(context: RequestContext, signature: Signature) -> None:
    if signature.service != context.service.signing_name:
        raise refusals.wrong_service(context)


def sent(context: RequestContext) -> SignedRequest:
    """Return a request as it came in, before LocalStack's handlers changed it."""
    environ = context.request.environ
    path, _, query = str(environ.get("RAW_URI", "/")).partition("?")
    raw = environ.get("rolo.headers", ())
    return SignedRequest(
        method=context.request.method,
        path=path,
        query=query,
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw],
        body=lambda: _body(context),
    )


def _body(context: RequestContext) -> bytes:
    data: bytes = context.request.get_data()
    # A parameter that is the body's stream, such as a function's payload, would be at its end.
    for name, value in (context.service_request or {}).items():
        if value is context.request.stream:
            context.service_request[name] = io.BytesIO(data)
    return data


def _user(access_key: str) -> tuple[Caller, str] | None:
    # IAM's model takes a second to import, which a start without users does not need.
    from moto.iam.models import iam_backends  # noqa: PLC0415

    account = get_account_id_from_access_key_id(access_key)
    backend = iam_backends[account]["aws"]
    for user in backend.users.values():
        for key in user.access_keys:
            if key.access_key_id == access_key and key.status == "Active":
                caller = Caller(
                    kind=Kind.USER,
                    account=account,
                    access_key=access_key,
                    arn=user.arn,
                    unique_id=user.id,
                    name=user.name,
                )
                return caller, key.secret_access_key
    return None
