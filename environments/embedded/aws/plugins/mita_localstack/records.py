"""How a call is recorded: CloudTrail's form, names and identifiers only."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localstack.aws.api import RequestContext

from .callers import Caller, Kind, Session
from .calls import Call

_VERSION = "1.11"
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
# What is not named like an identifier may be a value, and is not written.
_IDENTIFIERS = (
    *("id", "ids", "idlist", "identifier", "arn", "arns", "name", "names", "stage", "stages"),
    *("path", "prefix", "qualifier", "type", "keys", "bucket", "key", "clientrequesttoken", "rule", "url"),
)
_NOT_IDENTIFIERS = ("secretkey", "privatekey")
_READING = ("Get", "List", "Describe", "Lookup", "Head", "BatchGet", "Search", "Select", "Simulate")
_ALSO_READING = {
    *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateRandom", "kms:Sign", "kms:Verify"),
    *("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "secretsmanager:ValidateResourcePolicy"),
}
_TYPES = {
    "secretsmanager": "AWS::SecretsManager::Secret",
    "kms": "AWS::KMS::Key",
    "lambda": "AWS::Lambda::Function",
    "s3": "AWS::S3::Object",
    "sns": "AWS::SNS::Topic",
    "eks": "AWS::EKS::Cluster",
    "logs": "AWS::Logs::LogGroup",
}
# Where the answer has the ARN of what was created.
_CREATED = {
    "secretsmanager:CreateSecret": ("ARN",),
    "kms:CreateKey": ("KeyMetadata", "Arn"),
    "iam:CreatePolicy": ("Policy", "Arn"),
    "lambda:CreateFunction": ("FunctionArn",),
}
_IAM_TYPES = {"role": "AWS::IAM::Role", "user": "AWS::IAM::User", "policy": "AWS::IAM::Policy"}


def record(
    context: RequestContext,
    call: Call,
    identity: Mapping[str, Any],
    *,
    resources: Iterable[str],
    error: tuple[str, str] | None = None,
    answered: Mapping[str, Any] | None = None,
    invoked_by: str | None = None,
) -> dict[str, Any]:
    """Make the record of one call.

    Args:
        context: The request.
        call: The call.
        identity: Who made it, from `identity_of`.
        resources: ARNs of what it was about.
        error: Code and message of the refusal.
        answered: What of the answer is kept.
        invoked_by: Service that made the call for its caller.
    """
    made: dict[str, Any] = {
        "eventVersion": _VERSION,
        "userIdentity": {**identity, "invokedBy": invoked_by} if invoked_by else dict(identity),
        "eventTime": _timestamp(datetime.now(UTC)),
        "eventSource": f"{_prefix(context, call)}.amazonaws.com",
        "eventName": call.operation,
        "awsRegion": call.region,
        "sourceIPAddress": invoked_by or str(context.request.environ.get("REMOTE_ADDR", "")),
        "userAgent": invoked_by or str(context.request.headers.get("User-Agent", "")),
        "requestParameters": parameters(call.parameters) or None,
        "responseElements": answered,
        "requestID": str(context.request_id),
        "eventID": str(uuid.uuid4()),
        "readOnly": is_reading(call.service, call.operation),
        "resources": [_resource(arn, call) for arn in dict.fromkeys(resources) if arn != "*"],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if error is not None:
        code, message = error
        made["errorCode"] = code
        # Some errors quote what they were given.
        made["errorMessage"] = (
            _HIDDEN if any(value in message for value in _hidden(call.parameters)) else message
        )
    return made


def service_event(service: str, name: str, *, account: str, region: str, resource: str) -> dict[str, Any]:
    """Make the record of something that a service did by itself.

    Args:
        service: Such as ``secretsmanager``.
        name: What happened.
        account: In which account.
        region: In which region.
        resource: ARN of what it was about.
    """
    principal = f"{service}.amazonaws.com"
    return {
        "eventVersion": _VERSION,
        "userIdentity": {"type": "AWSService", "accountId": account, "invokedBy": principal},
        "eventTime": _timestamp(datetime.now(UTC)),
        "eventSource": principal,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": principal,
        "userAgent": principal,
        "requestParameters": None,
        "responseElements": None,
        "additionalEventData": {"SecretId": resource},
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "resources": [{"accountId": account, "type": _TYPES[service], "ARN": resource}],
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def _hidden(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        if isinstance(value, str) and value and _shown(name, value) == _HIDDEN:
            yield value


def created(call: Call, context: RequestContext) -> tuple[str, ...]:
    """Return the ARN of what a call has created, which was not known before; nothing for other calls."""
    answer: Any = context.service_response or {}
    for name in _CREATED.get(f"{call.service}:{call.operation}", ()):
        answer = answer.get(name) or {}
    return (answer,) if isinstance(answer, str) else ()


def _prefix(context: RequestContext, call: Call) -> str:
    service = context.service
    return str(service.endpoint_prefix) if service and service.service_name == call.service else call.service


def is_reading(service: str, operation: str) -> bool:
    """Tell whether an operation changes nothing."""
    return operation.startswith(_READING) or f"{service}:{operation}" in _ALSO_READING


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request's parameters without what may be a value, named as CloudTrail names them."""
    return {
        name[:1].lower() + name[1:]: _shown(name, value) for name, value in given.items() if value is not None
    }


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401  any parameter of any call
    if isinstance(value, bool | int | float):
        return value
    plain = name.lower()
    if not plain.endswith(_IDENTIFIERS) or plain.endswith(_NOT_IDENTIFIERS):
        return _HIDDEN
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(each, str) for each in value):
        return list(value)
    return _HIDDEN


def _resource(arn: str, call: Call) -> dict[str, str]:
    parts = arn.split(":", 5)
    if len(parts) != 6:  # noqa: PLR2004  an ARN's parts
        return {"accountId": call.account, "type": "AWS::Unknown", "ARN": arn}
    service, account, rest = parts[2], parts[4], parts[5]
    kind = _IAM_TYPES.get(rest.partition("/")[0]) if service == "iam" else _TYPES.get(service)
    return {"accountId": account or call.account, "type": kind or f"AWS::{service}", "ARN": arn}


def identity_of(caller: Caller | None) -> dict[str, Any]:
    """Return a caller as CloudTrail's ``userIdentity``."""
    if caller is None or caller.kind is Kind.NOBODY:
        return {"type": "Unknown"}
    if caller.kind is Kind.INTERNAL:
        return {"type": "AWSService", "invokedBy": caller.service}
    identity: dict[str, Any] = {
        "type": {Kind.ADMINISTRATOR: "Root", Kind.USER: "IAMUser"}.get(caller.kind, "AssumedRole"),
        "principalId": caller.unique_id,
        "arn": caller.arn,
        "accountId": caller.account,
        "accessKeyId": caller.access_key,
    }
    if caller.kind is Kind.USER:
        identity["userName"] = caller.name
    if caller.session is not None:
        identity["sessionContext"] = _session(caller.session)
    return identity


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _session(session: Session) -> dict[str, Any]:
    context: dict[str, Any] = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": session.role_id,
            "arn": session.role,
            "accountId": session.account,
            "userName": session.role_name,
        },
        "attributes": {"creationDate": _timestamp(session.began), "mfaAuthenticated": "false"},
    }
    if session.provider:
        context["webIdFederationData"] = {"federatedProvider": session.provider, "attributes": {}}
    return context


def web_identity(provider: str, audience: str, subject: str) -> dict[str, Any]:
    """Return the bearer of a token as CloudTrail's ``userIdentity``."""
    return {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:{audience}:{subject}",
        "userName": subject,
        "identityProvider": provider,
    }
