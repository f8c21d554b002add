"""The probes of one running instance of a container, and what follows from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from environments.embedded.node.api import Object
from environments.embedded.node.handlers import Handler, Launch
from environments.embedded.node.owner import Owner
from environments.embedded.node.probes import Probe, ProbeKind
from environments.embedded.node.state import ContainerState


class Probing:
    """Runs a container's startup probe, then the others.

    Args:
        spec: The container's spec.
        state: Kept up to date: `started` and `ready`.
        owner: Its pod.
        launch: How the instance was started.
        unhealthy: Told that a startup or liveness probe has failed for good.
        failed: Told each failure, as an event's text.
    """

    def __init__(
        self,
        spec: Object,
        state: ContainerState,
        owner: Owner,
        launch: Launch,
        *,
        unhealthy: Callable[[ProbeKind], None],
        failed: Callable[[str], None],
    ) -> None:
        self._spec = spec
        self._state = state
        self._owner = owner
        self._launch = launch
        self._unhealthy = unhealthy
        self._failed = failed

    async def run(self, started: asyncio.Event) -> None:
        """Ask until cancelled.

        Args:
            started: Set when the instance has started.
        """
        if "startupProbe" in self._spec:
            self._owner.changed()
            await self._until_started()
        self._state.started = True
        self._state.ready = "readinessProbe" not in self._spec
        self._owner.changed()
        started.set()
        async with asyncio.TaskGroup() as probes:
            if "readinessProbe" in self._spec:
                probes.create_task(self._probe(ProbeKind.READINESS, self._set_ready).run())
            if "livenessProbe" in self._spec:
                probes.create_task(self._probe(ProbeKind.LIVENESS, self._must_live).run())

    async def _until_started(self) -> None:
        answered = asyncio.Event()

        def verdict(succeeded: bool) -> None:
            if succeeded:
                answered.set()
            else:
                self._unhealthy(ProbeKind.STARTUP)

        probe = asyncio.create_task(self._probe(ProbeKind.STARTUP, verdict).run())
        try:
            await answered.wait()
        finally:
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)

    def _probe(self, kind: ProbeKind, verdict: Callable[[bool], None]) -> Probe:
        spec = self._spec[f"{kind.value.lower()}Probe"]
        output = self._owner.sandbox.directory(self._spec["name"]) / f"{kind.value.lower()}-probe.log"
        return Probe(
            kind=kind,
            spec=spec,
            ask=Handler(spec, self._launch, output, self._owner.http),
            verdict=verdict,
            failed=lambda problem: self._failed(f"{kind.value} probe failed: {problem}"),
            eager=self._owner.timing.eager_probe,
        )

    def _set_ready(self, ready: bool) -> None:
        if self._state.ready != ready:
            self._state.ready = ready
            self._owner.changed()

    def _must_live(self, alive: bool) -> None:
        if not alive:
            self._unhealthy(ProbeKind.LIVENESS)
