"""Refusals in AWS' own words: the same reason has other codes in other protocols."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from localstack.aws.api import CommonServiceException, RequestContext

# By protocol: what the query services (IAM, STS) say, S3, and all others.
_CODES = {
    "unknown key": ("InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"),
    "signature": ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
    "not fresh": ("SignatureDoesNotMatch", "RequestTimeTooSkewed", "InvalidSignatureException"),
    "service": ("SignatureDoesNotMatch", "AuthorizationHeaderMalformed", "InvalidSignatureException"),
    "unsigned": ("MissingAuthenticationToken", "AccessDenied", "MissingAuthenticationTokenException"),
    "expired": ("ExpiredToken", "ExpiredToken", "ExpiredTokenException"),
    "unknown operation": ("InvalidAction", "MethodNotAllowed", "UnknownOperationException"),
    "unreadable": ("MalformedInput", "MalformedXML", "SerializationException"),
    "invalid": ("ValidationError", "InvalidRequest", "ValidationException"),
    "denied": ("AccessDenied", "AccessDenied", "AccessDeniedException"),
}
_MOMENT = "%Y%m%dT%H%M%SZ"
_INVALID = "The security token included in the request is invalid."


def refusal(code: str, message: str, status: int = 400) -> CommonServiceException:
    """Make an error that LocalStack gives to the caller."""
    # Some messages quote what was sent, which may hold what XML cannot.
    sayable = "".join(char if char.isprintable() else "?" for char in message)
    return CommonServiceException(code, sayable, status, sender_fault=True)


def unknown_key(context: RequestContext) -> CommonServiceException:
    """Nobody has this access key, or not with this session token."""
    return _refusal(context, "unknown key", _INVALID)


def wrong_signature(context: RequestContext) -> CommonServiceException:
    """The request was not signed with the key's secret, or was changed."""
    return _refusal(
        context,
        "signature",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
    )


def not_fresh(
    context: RequestContext, signed: datetime, now: datetime, bound: timedelta
) -> CommonServiceException:
    """The request was signed too long ago, or is to be signed later."""
    minutes = f"{bound.total_seconds() / 60:.0f} min."
    if signed < now:
        message, limit, sign = "Signature expired: {} is now earlier than", now - bound, "-"
    else:
        message, limit, sign = "Signature not yet current: {} is still later than", now + bound, "+"
    said = message.format(f"{signed:{_MOMENT}}")
    return _refusal(context, "not fresh", f"{said} {limit:{_MOMENT}} ({now:{_MOMENT}} {sign} {minutes})")


def wrong_service(context: RequestContext) -> CommonServiceException:
    """The request was signed for another service."""
    return _refusal(
        context,
        "service",
        f"Credential should be scoped to correct service: '{context.service.signing_name}'.",
    )


def unsigned(context: RequestContext) -> CommonServiceException:
    """The request names no access key."""
    return _refusal(context, "unsigned", "Request is missing Authentication Token")


def expired(context: RequestContext) -> CommonServiceException:
    """The session has ended."""
    return _refusal(context, "expired", "The security token included in the request is expired")


def unknown_operation(context: RequestContext) -> CommonServiceException:
    """The service has no such operation."""
    return _refusal(
        context,
        "unknown operation",
        "The requested operation is not recognized by the service.",
        forbidden=False,
    )


def unreadable(context: RequestContext) -> CommonServiceException:
    """The request cannot be read."""
    return _refusal(context, "unreadable", "The request could not be read.", forbidden=False)


def invalid(context: RequestContext, found: Sequence[str]) -> CommonServiceException:
    """The parameters are not those of the operation."""
    message = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {'; '.join(found)}"
    return _refusal(context, "invalid", message, forbidden=False)


def denied(context: RequestContext, message: str) -> CommonServiceException:
    """The caller may not do this."""
    return _refusal(context, "denied", message)


def _refusal(
    context: RequestContext, reason: str, message: str, *, forbidden: bool = True
) -> CommonServiceException:
    by_query, by_s3, by_others = _CODES[reason]
    service = context.service.service_name if context.service else ""
    query = bool(context.protocol) and context.protocol in ("query", "ec2")
    code = by_s3 if service == "s3" else by_query if query else by_others
    # The JSON protocol has no other status for a caller's fault.
    return refusal(code, message, 403 if forbidden and context.protocol != "json" else 400)
