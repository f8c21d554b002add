"""A Kubernetes node without containers: each pod bound to it runs as local processes."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import aiohttp

from environments.embedded.control_plane import ControlPlane
from environments.embedded.node.addresses import AddressPool
from environments.embedded.node.api import Api
from environments.embedded.node.events import EventRecorder
from environments.embedded.node.images import ImageTable, image_table
from environments.embedded.node.known_services import KnownServices
from environments.embedded.node.node_context import NodeContext
from environments.embedded.node.pods import Pods
from environments.embedded.node.registration import ALLOCATABLE, NAME, Registration
from environments.embedded.node.sandbox import ClusterAccess
from environments.embedded.node.timing import Timing
from environments.embedded.node.watched_objects import WatchedObjects
from environments.embedded.site import Site

logger = logging.getLogger(__name__)

_EVENT_SECONDS = 1.0


class Node:
    """The node ``mita-node`` of one environment.

    Args:
        site: Where its pods run.
        control_plane: The cluster that it joins.
        timing: Its times; tests shorten them.
        images: Its images; by default those of the environment.

    Attributes:
        pods: Its pods; the server for logs and exec asks it.
    """

    def __init__(
        self,
        site: Site,
        control_plane: ControlPlane,
        *,
        timing: Timing | None = None,
        images: ImageTable | None = None,
    ) -> None:
        self._site = site
        self._control_plane = control_plane
        self._timing = timing or Timing()
        self._images = images or image_table(site.tools)
        self._tasks: list[asyncio.Task[None]] = []
        self._resources = contextlib.AsyncExitStack()
        self._events: EventRecorder | None = None
        self.pods: Pods | None = None

    async def start(self) -> None:
        """Join the cluster; returns when the node is ready for pods.

        Raises:
            NotReadyError: The API server does not take it.
            ConfigurationError: The run directory cannot be written to.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop(grace=0)
            raise

    async def stop(self, grace: float = 5.0) -> None:
        """End every pod and leave; the objects in the API stay as they are.

        Args:
            grace: Seconds that containers have before they are killed.
        """
        if self.pods is not None:
            following, *others = self._tasks
            await _cancel([following])
            await self.pods.stop(grace)
            if self._events is not None:
                await self._events.drain(_EVENT_SECONDS)
            await _cancel(others)
        self._tasks.clear()
        await self._resources.aclose()
        self.pods = None

    async def _start(self) -> None:
        site = self._site
        kubeconfig = self._control_plane.kubeconfig(f"system:node:{NAME}", ["system:nodes"])
        api = await self._resources.enter_async_context(Api.from_kubeconfig(kubeconfig))
        http = await self._resources.enter_async_context(_probe_session())
        objects = WatchedObjects(api)
        self._resources.push_async_callback(objects.close)
        self._events = EventRecorder(api, NAME)
        services = KnownServices(api, site.network)
        registration = Registration(api, site.network, self._timing.lease_renewal)
        access = ClusterAccess(
            self._control_plane.url, self._control_plane.authority.certificate, site.run.run_id
        )
        context = NodeContext(
            api=api,
            run=site.run,
            network=site.network,
            access=access,
            images=self._images,
            objects=objects,
            events=self._events,
            addresses=AddressPool(site.network.pods),
            http=http,
            timing=self._timing,
            allocatable=ALLOCATABLE,
            service_variables=services.variables,
        )
        self.pods = Pods(context, NAME)
        await registration.register()
        # The pods first: they are what `stop` ends first.
        for name, coroutine in {
            "pods": self._follow_pods(services, self.pods),
            "services": services.follow(),
            "events": self._events.run(),
            "lease": registration.keep(),
        }.items():
            task = asyncio.create_task(coroutine, name=f"node: {name}")
            task.add_done_callback(_log_defect)
            self._tasks.append(task)

    @staticmethod
    async def _follow_pods(services: KnownServices, pods: Pods) -> None:
        # Variables that tell of Services are fixed when a container starts.
        await services.synced.wait()
        await pods.follow()


def _probe_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
    )


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _log_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s: %r", task.get_name(), error, exc_info=error)
