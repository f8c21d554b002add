"""Refusals in AWS' own words: the same reason has other codes in other protocols."""

from __future__ import annotations

from localstack.aws.api import CommonServiceException, RequestContext

# By protocol: what the query services (IAM, STS) say, S3, and all others.
_CODES = {
    "unknown key": ("InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"),
    "signature": ("SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException"),
    "unsigned": ("MissingAuthenticationToken", "AccessDenied", "MissingAuthenticationTokenException"),
    "expired": ("ExpiredToken", "ExpiredToken", "ExpiredTokenException"),
    "denied": ("AccessDenied", "AccessDenied", "AccessDeniedException"),
}
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


def unsigned(context: RequestContext) -> CommonServiceException:
    """The request names no access key."""
    return _refusal(context, "unsigned", "Request is missing Authentication Token")


def expired(context: RequestContext) -> CommonServiceException:
    """The session has ended."""
    return _refusal(context, "expired", "The security token included in the request is expired")


def denied(context: RequestContext, message: str) -> CommonServiceException:
    """The caller may not do this."""
    return _refusal(context, "denied", message)


def _refusal(context: RequestContext, reason: str, message: str) -> CommonServiceException:
    by_query, by_s3, by_others = _CODES[reason]
    service = context.service.service_name if context.service else ""
    query = bool(context.protocol) and context.protocol in ("query", "ec2")
    code = by_s3 if service == "s3" else by_query if query else by_others
    # The JSON protocol has no other status for a caller's fault.
    return refusal(code, message, 400 if context.protocol == "json" else 403)
