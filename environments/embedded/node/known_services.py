"""The Services of the cluster, as containers are told of them by variables."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

from environments.embedded.network import Network
from environments.embedded.node.api import Api, Object
from environments.embedded.node.environment_variables import service_variables


class KnownServices:
    """Follows all Services.

    Args:
        api: The API server as the node.
        network: For the addresses that are really bound.

    Attributes:
        synced: Set when all are known.
    """

    def __init__(self, api: Api, network: Network) -> None:
        self.synced = asyncio.Event()
        self._api = api
        self._network = network
        self._services: dict[tuple[str, str], Object] = {}
        server = urlsplit(api.url)
        # The API server itself, because its cluster address ends in a port that needs privilege.
        own = {
            "metadata": {"name": "kubernetes"},
            "spec": {"clusterIP": server.hostname, "ports": [{"name": "https", "port": server.port or 443}]},
        }
        self._own = service_variables([own], str)

    async def follow(self) -> None:
        """Follow them until cancelled."""
        async for event in self._api.watch("/api/v1/services"):
            if event.type == "SYNCED":
                self.synced.set()
                continue
            metadata = event.object["metadata"]
            key = (metadata["namespace"], metadata["name"])
            if event.type == "DELETED":
                self._services.pop(key, None)
            else:
                self._services[key] = event.object

    def variables(self, namespace: str, links: bool) -> Mapping[str, str]:
        """Return what containers of a namespace are told.

        Args:
            namespace: The namespace.
            links: Whether of its Services too, or of the API server only (`enableServiceLinks`).
        """
        if not links:
            return self._own
        services = [service for (where, _), service in self._services.items() if where == namespace]
        return {**service_variables(services, self._network.bound), **self._own}
