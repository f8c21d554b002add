"""Fills a pod's volumes, and keeps them as what they refer to changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import aiohttp

from environments.embedded.node import atomic_directory
from environments.embedded.node.api import ApiError, Object
from environments.embedded.node.atomic_directory import Payload
from environments.embedded.node.pulse import Pulse
from environments.embedded.node.referents import Referent, referents
from environments.embedded.node.sandbox import Sandbox
from environments.embedded.node.tokens import PodTokens
from environments.embedded.node.volumes import Sources, changing_volumes, payload
from environments.embedded.node.watched_objects import WatchedObject, WatchedObjects

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 10.0
_RETRY_SECONDS = 2.0


class PodVolumes:
    """The volumes of one pod, and all ConfigMaps and Secrets that it refers to.

    Args:
        pod: The pod as it is now; `pod_changed` tells of a newer one.
        sandbox: Where its volumes lie.
        objects: Watches what it refers to.
        tokens: Its service-account tokens.
        trouble: Told why a volume cannot be filled.

    Attributes:
        mounted: Set when every volume has been filled for the first time.
        changed: Beats after each change of what the pod refers to.
    """

    def __init__(
        self,
        pod: Object,
        sandbox: Sandbox,
        objects: WatchedObjects,
        tokens: PodTokens,
        trouble: Callable[[str], None],
    ) -> None:
        self.mounted = asyncio.Event()
        self.changed = Pulse()
        self._pod = pod
        self._sandbox = sandbox
        self._objects = objects
        self._tokens = tokens
        self._trouble = trouble
        namespace = pod["metadata"]["namespace"]
        self._watched: dict[Referent, WatchedObject] = {
            referent: objects.acquire(namespace, referent, self.changed.beat)
            for referent in referents(pod["spec"])
        }
        self._shown: dict[str, Payload] = {}

    def lookup(self, referent: Referent) -> Object | None:
        """Return a ConfigMap or Secret as it is now."""
        watched = self._watched.get(referent)
        return watched.current if watched else None

    def pod_changed(self, pod: Object) -> None:
        """Take note of the pod's new labels and annotations."""
        self._pod = pod
        self.changed.beat()

    def release(self) -> None:
        """End to refer to anything."""
        for watched in self._watched.values():
            self._objects.release(watched, self.changed.beat)
        self._watched.clear()

    async def follow(self) -> None:
        """Fill the volumes, then keep them until cancelled."""
        await self._known()
        while True:
            pause = await self._fill()
            # Nothing is awaited between looking and waiting, so no change is missed.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), pause)

    async def _known(self) -> None:
        """Wait until it is known what each object holds, or that it is not there."""
        while missing := [each for each in self._watched.values() if not each.synced]:
            try:
                await asyncio.wait_for(self.changed.wait(), _PATIENCE_SECONDS)
            except TimeoutError:
                names = ", ".join(f"{each.referent.kind.lower()} {each.referent.name}" for each in missing)
                reason = next((each.error for each in missing if each.error), "no answer")
                self._trouble(f"MountVolume.SetUp failed: waiting for {names}: {reason}")

    async def _fill(self) -> float | None:
        """Fill what changed; return after how many seconds to do so again without a change."""
        try:
            pause = await self._tokens.refresh()
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            self._trouble(f"MountVolume.SetUp failed: no service-account token: {error}")
            return _RETRY_SECONDS
        sources = Sources(self.lookup, self._tokens.get, self._sandbox.surroundings)
        complete = True
        for volume in changing_volumes(self._pod["spec"]):
            try:
                self._show(volume["name"], payload(volume, self._pod, sources))
            except LookupError as error:
                complete = False
                self._trouble(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error.args[0]}')
            except OSError as error:
                logger.warning("volume %s: %s", volume["name"], error)
                complete, pause = False, _RETRY_SECONDS
                self._trouble(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}')
        if complete:
            self.mounted.set()
        return pause

    def _show(self, name: str, content: Payload) -> None:
        if self._shown.get(name) != content:
            atomic_directory.write(self._sandbox.volumes / name, content)
            self._shown[name] = content
