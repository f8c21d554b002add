"""Sessions of roles, as STS makes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from .access_keys import new_access_key, new_secret_key, new_session_token
from .callers import Session
from .web_identity import Assumed

_DEFAULT_SECONDS = 3600


def of_web_identity(assumed: Assumed, parameters: Mapping[str, Any]) -> Session:
    """Make a session for the bearer of a token."""
    began = datetime.now(UTC)
    return Session(
        access_key=new_access_key(assumed.account, temporary=True),
        secret_key=new_secret_key(),
        token=new_session_token(),
        role=assumed.role.arn,
        role_id=assumed.role.unique_id,
        name=assumed.session_name,
        began=began,
        ends=began + timedelta(seconds=assumed.seconds),
        policies=_policies(parameters),
        managed_policies=_managed_policies(parameters),
        provider=assumed.provider,
        subject=assumed.claims.subject,
    )


def of_assumed_role(parameters: Mapping[str, Any], answer: Mapping[str, Any]) -> Session:
    """Describe the session that LocalStack made for AssumeRole."""
    credentials, user = answer["Credentials"], answer["AssumedRoleUser"]["AssumedRoleId"]
    began = datetime.now(UTC)
    return Session(
        access_key=credentials["AccessKeyId"],
        secret_key=credentials["SecretAccessKey"],
        token=credentials["SessionToken"],
        role=str(parameters["RoleArn"]),
        role_id=str(user).partition(":")[0],
        name=str(parameters["RoleSessionName"]),
        began=began,
        ends=began + timedelta(seconds=int(parameters.get("DurationSeconds") or _DEFAULT_SECONDS)),
        policies=_policies(parameters),
        managed_policies=_managed_policies(parameters),
        tags={each["Key"]: each["Value"] for each in parameters.get("Tags") or []},
    )


def web_identity_answer(session: Session, audience: str) -> dict[str, Any]:
    """Return the answer of AssumeRoleWithWebIdentity."""
    return {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret_key,
            "SessionToken": session.token,
            "Expiration": session.ends,
        },
        "SubjectFromWebIdentityToken": session.subject,
        "AssumedRoleUser": {"AssumedRoleId": f"{session.role_id}:{session.name}", "Arn": session.arn},
        "Provider": session.provider,
        "Audience": audience,
    }


def recorded(session: Session) -> dict[str, Any]:
    """Return what of a new session the trail keeps."""
    return {
        "credentials": {
            "accessKeyId": session.access_key,
            "expiration": f"{session.ends:%Y-%m-%dT%H:%M:%SZ}",
        },
        "assumedRoleUser": {"assumedRoleId": f"{session.role_id}:{session.name}", "arn": session.arn},
    }


def _policies(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(parameters["Policy"]),) if parameters.get("Policy") else ()


def _managed_policies(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(each.get("arn", "")) for each in parameters.get("PolicyArns") or [])
