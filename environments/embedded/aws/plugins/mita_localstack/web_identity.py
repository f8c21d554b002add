"""AssumeRoleWithWebIdentity, with everything verified that AWS verifies."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from localstack.aws.api import CommonServiceException

from . import holdings
from .decisions import Policies, decide
from .issuer import IssuerKeys, IssuerUnreachableError, UnknownKeyError, is_signed, thumbprint
from .patterns import Context
from .policies import Principal, Request
from .refusals import refusal
from .settings import Cluster

ACTION = "sts:AssumeRoleWithWebIdentity"

_ROLE = re.compile(r"arn:aws:iam::(\d{12}):role/((?:[\w+=,.@/-]+/)?)([\w+=,.@-]+)")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_TOKEN_LENGTHS = range(4, 20001)
_SHORTEST_SESSION = 900
_DEFAULT_SESSION = 3600
_LONGEST_SESSION = 43200


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, before anybody believes it."""

    key_id: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    expires: float
    not_before: float
    authorized_party: str

    @property
    def audience(self) -> str:
        """The audience that policies see."""
        return self.authorized_party or self.audiences[0]

    @property
    def host(self) -> str:
        """The issuer as IAM names it: without its scheme."""
        return self.issuer.removeprefix("https://").rstrip("/")


@dataclass(frozen=True, slots=True)
class Assumed:
    """A role that may be assumed, and what the session is made of."""

    role: holdings.HeldIdentity
    account: str
    session_name: str
    seconds: int
    provider: str
    claims: Claims


class WebIdentities:
    """Decides which tokens open which roles."""

    def __init__(self) -> None:
        self._keys = IssuerKeys()

    def assume(self, parameters: Mapping[str, Any], cluster: Cluster | None, context: Context) -> Assumed:
        """Verify a call of AssumeRoleWithWebIdentity.

        Args:
            parameters: Of the call.
            cluster: The environment's cluster, if there is one yet.
            context: Condition keys that every call has.

        Raises:
            CommonServiceException: The token or the call is refused, with AWS' own code.
        """
        account, role_name, seconds = _checked(parameters)
        token = str(parameters.get("WebIdentityToken") or "")
        claims = read_token(token)
        provider = _provider(account, claims)
        now = datetime.now(UTC)
        _check_times(claims, now)
        self._check_signature(token, claims, cluster, provider)
        role = holdings.role(account, role_name)
        session_name = str(parameters["RoleSessionName"])
        known = {**context, **_token_context(claims, provider), "sts:rolesessionname": (session_name,)}
        if role is None or not _trusted(role, account, provider, known):
            raise refusal("AccessDenied", f"Not authorized to perform {ACTION}", 403)
        if seconds > role.longest_session:
            raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        return Assumed(role, account, session_name, seconds, provider.arn, claims)

    def _check_signature(
        self, token: str, claims: Claims, cluster: Cluster | None, provider: holdings.Provider
    ) -> None:
        # No other issuer can be reached from here.
        if cluster is None or cluster.oidc_issuer.rstrip("/") != claims.issuer.rstrip("/"):
            raise refusal("IDPCommunicationError", f"Could not reach the identity provider {claims.issuer}")
        if thumbprint(cluster.certificate_authority) not in provider.thumbprints:
            raise _token_refused(
                "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
            )
        try:
            key = self._keys.key(cluster, claims.key_id)
        except IssuerUnreachableError as error:
            raise refusal(
                "IDPCommunicationError", f"Could not reach the identity provider: {error}"
            ) from error
        except UnknownKeyError:
            raise _token_refused(
                "Couldn't retrieve verification key from your identity provider, please reference "
                "AssumeRoleWithWebIdentity documentation for requirements"
            ) from None
        if not is_signed(token, key):
            raise _token_refused("Provided Token is not signed by its issuer")


def read_token(token: str) -> Claims:
    """Read a token without believing it.

    Raises:
        CommonServiceException: It is not a JSON Web Token with the claims that AWS asks for.
    """
    try:
        header, payload = (_object(part) for part in token.split(".")[:2])
        audience = payload["aud"]
        audiences = tuple(audience) if isinstance(audience, list) else (audience,)
        claims = Claims(
            key_id=header["kid"],
            issuer=payload["iss"],
            subject=payload["sub"],
            audiences=audiences,
            expires=float(payload["exp"]),
            not_before=float(payload.get("nbf", 0)),
            authorized_party=payload.get("azp", ""),
        )
        texts = (claims.key_id, claims.issuer, claims.subject, claims.authorized_party, *audiences)
        if token.count(".") != 2 or not audiences or not all(isinstance(each, str) for each in texts):  # noqa: PLR2004
            raise ValueError  # noqa: TRY301  one answer to all that is wrong with it
        if payload.get("azp") == "":  # a party without a name is not the same as none
            raise ValueError  # noqa: TRY301  likewise
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise _token_refused(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        ) from error
    return claims


def _object(part: str) -> dict[str, Any]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except binascii.Error as error:
        raise ValueError from error
    if not isinstance(decoded, dict):
        raise TypeError
    return decoded


def _checked(parameters: Mapping[str, Any]) -> tuple[str, str, int]:
    role = _ROLE.fullmatch(str(parameters.get("RoleArn") or ""))
    if role is None:
        raise _invalid(f"{parameters.get('RoleArn')} is invalid")
    if not _SESSION_NAME.fullmatch(str(parameters.get("RoleSessionName") or "")):
        raise _invalid("1 validation error detected: 'roleSessionName' fails to satisfy its constraints")
    if len(str(parameters.get("WebIdentityToken") or "")) not in _TOKEN_LENGTHS:
        raise _invalid("1 validation error detected: 'webIdentityToken' fails to satisfy its constraints")
    seconds = int(parameters.get("DurationSeconds") or _DEFAULT_SESSION)
    if not _SHORTEST_SESSION <= seconds <= _LONGEST_SESSION:
        raise _invalid("1 validation error detected: 'durationSeconds' fails to satisfy its constraints")
    return role[1], role[3], seconds


def _provider(account: str, claims: Claims) -> holdings.Provider:
    provider = holdings.identity_provider(account, claims.host)
    if provider is None or not claims.issuer.startswith("https://"):
        raise _token_refused(f"No OpenIDConnect provider found in your account for {claims.issuer}")
    if not {*claims.audiences, claims.audience} & set(provider.audiences):
        raise _token_refused("Incorrect token audience")
    return provider


def _check_times(claims: Claims, now: datetime) -> None:
    try:
        expires = datetime.fromtimestamp(claims.expires, UTC)
        begins = datetime.fromtimestamp(claims.not_before, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _token_refused("The ID Token provided is not a valid JWT.") from error
    if expires <= now:
        raise refusal(
            "ExpiredTokenException",
            f"Token expired: current date/time {now:%s} must be before the expiration date/time {expires:%s}",
        )
    if begins > now + timedelta(minutes=5):
        raise _token_refused("Token is not valid yet")


def _token_context(claims: Claims, provider: holdings.Provider) -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {
        f"{claims.host}:aud".lower(): (claims.audience,),
        f"{claims.host}:sub".lower(): (claims.subject,),
        "aws:federatedprovider": (provider.arn,),
    }
    if claims.authorized_party:
        known[f"{claims.host}:oaud".lower()] = claims.audiences
    return known


def _trusted(role: holdings.HeldIdentity, account: str, provider: holdings.Provider, known: Context) -> bool:
    decision = decide(
        Request(ACTION, role.arn, known),
        Principal(account=account, federated=provider.arn),
        Policies(resource=role.trust, resource_must_allow=True),
        owner=account,
    )
    return decision.allowed


def _token_refused(message: str) -> CommonServiceException:
    return refusal("InvalidIdentityToken", message)


def _invalid(message: str) -> CommonServiceException:
    return refusal("ValidationError", message)
