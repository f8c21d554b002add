"""The ConfigMaps and Secrets that pods of this node refer to, each watched by itself.

A node may not list Secrets; it may read and watch each one that a pod bound to it refers to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from environments.embedded.node.api import Api, Object
from environments.embedded.node.referents import Referent

_COLLECTIONS = {"ConfigMap": "configmaps", "Secret": "secrets"}


class WatchedObject:
    """One ConfigMap or Secret as it is now.

    Attributes:
        namespace: Its namespace.
        referent: Its kind and name.
        current: The object, or None while there is none.
        synced: Whether `current` has been true at some time; it then follows the object.
        error: Why it is not, when the API server refused or was away.
        listeners: Called after each change.
    """

    def __init__(self, namespace: str, referent: Referent) -> None:
        self.namespace = namespace
        self.referent = referent
        self.current: Object | None = None
        self.synced = False
        self.error = ""
        self.listeners: list[Callable[[], None]] = []

    async def follow(self, api: Api) -> None:
        """Keep `current` true until cancelled."""
        path = f"/api/v1/namespaces/{self.namespace}/{_COLLECTIONS[self.referent.kind]}"
        selector = f"metadata.name={self.referent.name}"
        async for event in api.watch(path, on_interruption=self._interrupted, fieldSelector=selector):
            match event.type:
                case "SYNCED":
                    self.synced, self.error = True, ""
                case "DELETED":
                    self.current = None
                case _:
                    self.current = event.object
            # What comes before the first mark is part of a state that is not complete.
            if self.synced:
                for listener in list(self.listeners):
                    listener()

    def _interrupted(self, error: Exception) -> None:
        self.error = str(error)


class WatchedObjects:
    """Watches each object once, however many pods refer to it, as long as one does."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._watched: dict[tuple[str, Referent], tuple[WatchedObject, asyncio.Task[None]]] = {}

    def acquire(self, namespace: str, referent: Referent, changed: Callable[[], None]) -> WatchedObject:
        """Begin to refer to an object.

        Args:
            namespace: Its namespace.
            referent: Its kind and name.
            changed: Called after each change, until `release` with the same callback.
        """
        key = (namespace, referent)
        if key not in self._watched:
            watched = WatchedObject(namespace, referent)
            task = asyncio.create_task(watched.follow(self._api), name=f"watch {namespace}/{referent.name}")
            self._watched[key] = (watched, task)
        watched, _ = self._watched[key]
        watched.listeners.append(changed)
        return watched

    def release(self, watched: WatchedObject, changed: Callable[[], None]) -> None:
        """End to refer to an object."""
        watched.listeners.remove(changed)
        if not watched.listeners:
            _, task = self._watched.pop((watched.namespace, watched.referent))
            task.cancel()

    async def close(self) -> None:
        """End every watch."""
        tasks = [task for _, task in self._watched.values()]
        self._watched.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
