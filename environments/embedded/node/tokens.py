"""Service-account tokens bound to one pod, renewed before they end."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from pydantic import SecretStr

from environments.embedded.node.api import Api, ApiError, Object
from environments.embedded.node.volumes import TokenRequest

# As the kubelet: after four fifths of its life, and at the latest after a day.
REFRESH_FRACTION = 0.8
_LONGEST_SECONDS = 24 * 3600
_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Issued:
    token: SecretStr
    refresh: float
    expires: float


class PodTokens:
    """The tokens that one pod's volumes hold.

    Args:
        api: The API server as the node.
        pod: The pod; tokens end with it.
        requests: The tokens that it needs.
        refresh_fraction: After which part of its life a token is renewed.
    """

    def __init__(
        self,
        api: Api,
        pod: Object,
        requests: Collection[TokenRequest],
        refresh_fraction: float = REFRESH_FRACTION,
    ) -> None:
        self._api = api
        self._pod = pod
        self._requests = requests
        self._fraction = refresh_fraction
        self._issued: dict[TokenRequest, _Issued] = {}

    def get(self, request: TokenRequest) -> str:
        """Return the current token for a request; there is one after `refresh`."""
        return self._issued[request].token.get_secret_value()

    async def refresh(self) -> float | None:
        """Request the tokens that are missing or due.

        A token that cannot be renewed stays in use while it is valid.

        Returns:
            Seconds until the next token is due; None when there are none.

        Raises:
            ApiError: The API server refuses a token that is missing or has ended.
            ClientError: It cannot be reached.
            TimeoutError: It does not answer.
        """
        for request in self._requests:
            issued = self._issued.get(request)
            if issued is not None and time.time() < issued.refresh:
                continue
            try:
                self._issued[request] = await self._request(request)
            except (ApiError, aiohttp.ClientError, TimeoutError):
                if issued is None or time.time() >= issued.expires:
                    raise
                self._issued[request] = _Issued(issued.token, time.time() + _RETRY_SECONDS, issued.expires)
        if not self._issued:
            return None
        return max(min(issued.refresh for issued in self._issued.values()) - time.time(), 0.0)

    async def _request(self, request: TokenRequest) -> _Issued:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        account = spec.get("serviceAccountName") or "default"
        answer = await self._api.create(
            f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "audiences": [request.audience] if request.audience else [],
                    "expirationSeconds": request.seconds,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                    },
                },
            },
        )
        expires = datetime.fromisoformat(answer["status"]["expirationTimestamp"]).timestamp()
        # The server may grant a longer life than it says, for clients that do not reload; we do.
        life = min(answer["spec"]["expirationSeconds"], request.seconds)
        refresh = time.time() + min(life * self._fraction, _LONGEST_SECONDS)
        return _Issued(SecretStr(answer["status"]["token"]), refresh, expires)
