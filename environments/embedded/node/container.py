"""One container of a pod: instance after instance, until it is done or told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

from deployer.errors import MissingToolError
from environments.embedded.node.api import Object
from environments.embedded.node.backoff import Backoff
from environments.embedded.node.events import EventKind
from environments.embedded.node.handlers import Handler, Launch
from environments.embedded.node.owner import Owner
from environments.embedded.node.probes import ProbeKind
from environments.embedded.node.probing import Probing
from environments.embedded.node.pulse import either
from environments.embedded.node.state import ContainerState, Role, Running, Terminated, Waiting
from environments.embedded.node.termination import Termination
from environments.embedded.processes import Process, ProcessSpec

logger = logging.getLogger(__name__)


class Container:
    """One container.

    Args:
        spec: Its spec.
        state: What is known about it, kept up to date by this object.
        owner: Its pod.

    Attributes:
        started: Set when it has started (its startup probe has succeeded) for the first time.
        running: How it was started, while it runs.
    """

    def __init__(self, spec: Object, state: ContainerState, owner: Owner) -> None:
        self.state = state
        self.started = asyncio.Event()
        self.running: Launch | None = None
        self._spec = spec
        self._owner = owner
        self._backoff = Backoff(owner.timing.backoff_base, owner.timing.backoff_longest)
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._termination: Termination | None = None

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return self.state.name

    async def run(self) -> None:
        """Run instances until one ends for good or `stop` has done its work."""
        while (launch := await self._configured()) is not None:
            began = asyncio.get_running_loop().time()
            ended = await self._instance(launch)
            self.state.current, self.state.started, self.state.ready = ended, False, False
            self._owner.changed()
            if self._stopping.is_set() or not self._restarts(ended):
                return
            await self._back_off(ended, asyncio.get_running_loop().time() - began)
        # Stopped between two instances.
        if self.state.last is not None:
            self.state.current = self.state.last

    def stop(self, deadline: float, why: str = "") -> None:
        """Have it end for good; may be said again with an earlier deadline.

        Args:
            deadline: Time of the event loop when it is killed at the latest.
            why: For the event.
        """
        self._stopping.set()
        self._terminate(deadline, why or f"Stopping container {self.name}")

    def _restarts(self, ended: Terminated) -> bool:
        policy = self._owner.object["spec"].get("restartPolicy", "Always")
        if self.state.role is Role.SIDECAR:
            return True
        if policy == "Never":
            return False
        return ended.code != 0 or (policy == "Always" and self.state.role is Role.MAIN)

    async def _configured(self) -> Launch | None:
        """Return how to start it, as soon as everything that it refers to is there; None when stopped."""
        while not self._stopping.is_set():
            try:
                return self._owner.launch(self._spec)
            except LookupError as error:
                message = str(error.args[0])
                self._wait("CreateContainerConfigError", message)
                self._event("Warning", "Failed", f"Error: {message}")
            await either(self._stopping, self._owner.referents_changed)
        return None

    async def _back_off(self, ended: Terminated, ran: float) -> None:
        self.state.last = ended
        delay = self._backoff.next(ran)
        if delay:
            metadata = self._owner.object["metadata"]
            where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            self._wait(
                "CrashLoopBackOff", f"back-off {delay:g}s restarting failed container={self.name} pod={where}"
            )
            self._event(
                "Warning", "BackOff", f"Back-off restarting failed container {self.name} in pod {where}"
            )
            await either(self._stopping, seconds=delay)
        if not self._stopping.is_set():
            self.state.restarts += 1

    def _wait(self, reason: str, message: str) -> None:
        if self.state.current != Waiting(reason, message):
            self.state.current = Waiting(reason, message)
            self._owner.changed()

    async def _instance(self, launch: Launch) -> Terminated:
        """Start the program, and accompany it until it has ended."""
        started = datetime.now(UTC)
        log = self._owner.sandbox.log(self.name, self.state.restarts)
        self._owner.sandbox.forget_log(self.name, self.state.restarts)
        metadata = self._owner.object["metadata"]
        spec = ProcessSpec(
            name=f"{metadata['namespace']}/{metadata['name']}/{self.name}",
            argv=launch.argv,
            environment=launch.environment,
            directory=launch.directory,
            log=log,
        )
        try:
            process = Process.create(spec, launch.environment)
        except (MissingToolError, OSError, ValueError, subprocess.SubprocessError) as error:
            message = f"cannot run {launch.argv[0]!r}: {_told(error)}"
            self._event("Warning", "Failed", f"Error: {message}")
            return Terminated(
                code=128, reason="StartError", started=started, finished=started, message=message
            )
        identity = f"process://{process.pid}-{round(process.started * 1000)}"
        code = await self._accompany(process, launch, Running(started, identity))
        number = -code if code < 0 else 0
        return Terminated(
            code=128 + number if number else code,
            reason="Error" if code else "Completed",
            started=started,
            finished=datetime.now(UTC),
            message=self._owner.sandbox.last_words(self._spec, code, log),
            signal=number,
            identity=identity,
        )

    async def _accompany(self, process: Process, launch: Launch, running: Running) -> int:
        self._process, self.running = process, launch
        self.state.current = running
        self._owner.changed()
        self._event("Normal", "Started", f"Started container {self.name}")
        probing = Probing(
            self._spec,
            self.state,
            self._owner,
            launch,
            unhealthy=self._unhealthy,
            failed=self._probe_failed,
        )
        probes = asyncio.create_task(probing.run(self.started), name=f"probes of {process.spec.name}")
        try:
            return await process.wait()
        finally:
            # Also when this is cancelled: a program must not outlive who looks after it.
            process.signal(signal.SIGKILL)
            tasks = [probes, *([self._termination.task] if self._termination else [])]
            self._process = self.running = self._termination = None
            await _cancelled(process.spec.name, tasks)

    def _probe_failed(self, problem: str) -> None:
        # A container that is being stopped may well stop answering.
        if self._termination is None:
            self._event("Warning", "Unhealthy", problem)

    def _unhealthy(self, kind: ProbeKind) -> None:
        if self._termination is not None:
            return
        probe = self._spec[f"{kind.value.lower()}Probe"]
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is None:
            grace = self._owner.object["spec"].get("terminationGracePeriodSeconds", 30)
        deadline = asyncio.get_running_loop().time() + grace
        self._terminate(
            deadline, f"Container {self.name} failed {kind.value.lower()} probe, will be restarted"
        )

    def _terminate(self, deadline: float, why: str) -> None:
        """End the running instance by the deadline, or by an earlier one that was set before."""
        if self._termination is not None:
            self._termination.hasten(deadline)
        elif self._process is not None:
            self._event("Normal", "Killing", why)
            self._termination = Termination(
                self._process,
                deadline,
                self._hook(),
                lambda problem: self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {problem}"),
            )

    def _hook(self) -> Handler | None:
        action = self._spec.get("lifecycle", {}).get("preStop")
        if not action or self.running is None:
            return None
        output = self._owner.sandbox.directory(self.name) / "pre-stop.log"
        return Handler(action, self.running, output, self._owner.http)

    def _event(self, kind: EventKind, reason: str, message: str) -> None:
        self._owner.event(kind, reason, message, self.name)


def _told(error: Exception) -> str:
    """Say why a program cannot be started, without its arguments."""
    return error.seen if isinstance(error, MissingToolError) else f"{type(error).__name__}: {error}"


async def _cancelled(name: str, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and await them; what went wrong in one is a defect and logged."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            logger.error("%s: %r", name, outcome, exc_info=outcome)
