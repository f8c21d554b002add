"""The keys that the cluster's issuer publishes, fetched as AWS fetches them."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import jwt

from .settings import Cluster

_TIMEOUT = 5.0
_LONGEST_DOCUMENT = 1_000_000
# AWS keeps keys for a while as well; a key that is not known is asked for at once.
_KEPT_SECONDS = 300.0
_SIGNING_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")


class IssuerUnreachableError(Exception):
    """The issuer does not answer, or not with keys."""


class UnknownKeyError(Exception):
    """The issuer publishes no key of that id."""


class IssuerKeys:
    """Keys of one issuer at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cluster: Cluster | None = None
        self._fetched = 0.0
        self._keys: dict[str, jwt.PyJWK] = {}

    def key(self, cluster: Cluster, key_id: str) -> jwt.PyJWK:
        """Return a key of the cluster's issuer.

        Raises:
            IssuerUnreachableError: The issuer does not answer.
            UnknownKeyError: It has no such key.
        """
        with self._lock:
            stale = time.monotonic() - self._fetched > _KEPT_SECONDS
            if cluster != self._cluster or stale or key_id not in self._keys:
                self._keys = _fetched(cluster)
                self._cluster, self._fetched = cluster, time.monotonic()
            try:
                return self._keys[key_id]
            except KeyError:
                raise UnknownKeyError(key_id) from None


def is_signed(token: str, key: jwt.PyJWK) -> bool:
    """Tell whether a token is signed with a key, by an algorithm that AWS takes."""
    try:
        jwt.PyJWS().decode(token, key=key, algorithms=_SIGNING_ALGORITHMS)
    except jwt.PyJWTError:
        return False
    return True


def thumbprint(certificate_authority: str) -> str:
    """Return the SHA-1 of a PEM certificate, by which IAM knows an issuer's authority."""
    der = ssl.PEM_cert_to_DER_cert(certificate_authority.strip())
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


def _fetched(cluster: Cluster) -> dict[str, jwt.PyJWK]:
    trust = ssl.create_default_context(cadata=cluster.certificate_authority)
    issuer = cluster.oidc_issuer.rstrip("/")
    discovery = _json(f"{issuer}/.well-known/openid-configuration", trust)
    if discovery.get("issuer") != cluster.oidc_issuer:
        msg = f"{issuer} calls itself {discovery.get('issuer')}"
        raise IssuerUnreachableError(msg)
    location = str(discovery.get("jwks_uri", ""))
    # The API server writes its own address into it, which leads nowhere outside of it.
    path = location.partition("://")[2].partition("/")[2]
    document = _json(f"{issuer}/{path}", trust)
    try:
        keys = [jwt.PyJWK(each) for each in document["keys"]]
    except (KeyError, TypeError, jwt.PyJWTError) as error:
        msg = f"{issuer} publishes no keys"
        raise IssuerUnreachableError(msg) from error
    return {key.key_id: key for key in keys if key.key_id}


def _json(url: str, trust: ssl.SSLContext) -> dict[str, Any]:
    if not url.startswith("https://"):
        msg = f"{url} is not HTTPS"
        raise IssuerUnreachableError(msg)
    # No proxy of the surroundings stands between this machine and itself.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    try:
        with opener.open(url, timeout=_TIMEOUT) as answer:
            document = json.loads(answer.read(_LONGEST_DOCUMENT))
    except (OSError, ValueError) as error:
        raise IssuerUnreachableError(str(error)) from error
    if not isinstance(document, dict):
        msg = f"{url} is not an object"
        raise IssuerUnreachableError(msg)
    return document
