"""The containers of one environment's servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deployer.errors import NotReadyError
from deployer.eventually import eventually
from environments.kind.cluster import LABEL
from environments.kind.engine import Engine

# What a killed run leaves is found by its label; a watchman in a container of its own is not needed.
testcontainers_config.ryuk_disabled = True

Mount = tuple[Path, str, str]
"""Path on the host, path in the container, and ``ro`` or ``rw``."""

_START_SECONDS = 120.0
_ENDED = ("exited", "dead")


class Containers:
    """Containers that bear an environment's label; each one's name begins with its network's.

    Args:
        engine: Where they run.
        instance: Of the environment.
        network: That they share with the cluster.
    """

    def __init__(self, engine: Engine, instance: str, network: str) -> None:
        self._engine = engine
        self._instance = instance
        self._network = network

    def all(self) -> list[Any]:
        """Return them, those that have ended included."""
        label = f"{LABEL}={self._instance}"
        found: list[Any] = self._engine.client.containers.list(all=True, filters={"label": label})
        return found

    def remove(self) -> None:
        """Remove them with all that they keep."""
        for container in self.all():
            container.remove(force=True, v=True)

    def start(
        self,
        name: str,
        image: str,
        *,
        command: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
        mounted: Sequence[Mount] = (),
        beside: str | None = None,
        **options: object,
    ) -> str:
        """Start one, and return its address on the network.

        Args:
            name: What comes after the network's name.
            image: Reference of its image.
            command: Arguments.
            environment: Variables.
            mounted: What it sees of the host.
            beside: Name of a container whose network it shares, in place of an address of its own.
            options: Further ones of Docker's client.
        """
        where = {"network": self._network} if beside is None else {"network_mode": f"container:{beside}"}
        container = DockerContainer(
            image,
            name=f"{self._network}-{name}",
            command=command,  # type: ignore[arg-type]  # it is handed to Docker, which takes a list
            env=dict(environment or {}),
            volumes=[(str(source), target, mode) for source, target, mode in mounted],
        ).with_kwargs(labels={LABEL: self._instance}, **where, **options)
        running: Any = container.start().get_wrapped_container()
        if beside is not None:
            running = self._engine.client.containers.get(beside)
        running.reload()
        return str(running.attrs["NetworkSettings"]["Networks"][self._network]["IPAddress"])

    def wait(self, name: str, missing: Callable[[], str | None]) -> None:
        """Wait until one is ready.

        Args:
            name: As it was started by.
            missing: Says what is missing.

        Raises:
            NotReadyError: It has ended, or is not ready in time.
        """
        full = f"{self._network}-{name}"
        container = self._engine.client.containers.get(full)

        def ended_or_missing() -> str | None:
            container.reload()
            if container.status in _ENDED:
                raise NotReadyError(
                    f"container {full}",
                    expected="it to run",
                    seen=f"{container.status}: {container.logs(tail=5).decode(errors='replace').strip()}",
                    remedy="Mend what it says, then start the environment again.",
                )
            return missing()

        eventually(
            ended_or_missing,
            subject=f"{name} in its container",
            deadline=_START_SECONDS,
            remedy=f"Read its log: docker logs {full}.",
        )
