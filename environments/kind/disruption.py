"""Disruptions of a kind environment's servers and functions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

from deployer.errors import NotReadyError
from deployer.eventually import eventually
from environments.disruption import Server
from environments.kind.engine import Engine

_PORTS = {Server.DATABASE: 5432, Server.CACHE: 6379, Server.CLUSTER: 6443}
_CONTAINERS = {Server.DATABASE: "postgresql", Server.CACHE: "redis", Server.CLUSTER: "control-plane"}
_API_SERVER = "kube-apiserver"
_READY_SECONDS = 120.0
_ESTABLISHED = "01"  # as the kernel writes it
# In a shell of the container: its own tools are few.
_END_FUNCTION = """
ended=0
for process in /proc/[0-9]*; do
    if tr '\\0' '\\n' 2>/dev/null <"$process/environ" | grep -qx "AWS_LAMBDA_FUNCTION_NAME=$1"; then
        kill -9 "${process#/proc/}" && ended=$((ended + 1))
    fi
done
echo "$ended"
"""


class Disruptions:
    """What can be done to one environment's containers.

    Args:
        engine: Where they run.
        prefix: How their names begin.
    """

    def __init__(self, engine: Engine, prefix: str) -> None:
        self._engine = engine
        self._prefix = prefix

    def restart(self, server: Server, probe: Callable[[], object]) -> None:
        """End a server without a word, start it anew, and wait until it is ready.

        Args:
            server: Which.
            probe: Raises until it is ready.

        Raises:
            NotReadyError: It is not, in time.
        """
        container = self._container(server)
        if server is Server.CLUSTER:
            self._run(container, ["pkill", "-9", "-x", _API_SERVER])  # the kubelet starts another one
        else:
            container.kill()
            container.start()

        def missing() -> None:
            probe()

        eventually(
            missing,
            subject=f"{server} in {container.name}",
            deadline=_READY_SECONDS,
            remedy=f"Read its log: docker logs {container.name}.",
            retry=(Exception,),  # whatever its clients say while it is away
        )

    def freeze(self, server: Server, seconds: float) -> None:
        """Keep a server from doing anything for some seconds; it goes on even if its caller dies."""
        container = self._container(server)
        if server is Server.CLUSTER:
            frozen = f"pkill -STOP -x {_API_SERVER}; sleep {seconds:g}; pkill -CONT -x {_API_SERVER}"
            self._run(container, ["sh", "-c", frozen])
            return
        paused = 'docker pause "$1"; sleep "$2"; docker unpause "$1"'
        subprocess.run(
            ["sh", "-c", paused, "freeze", container.name, f"{seconds:g}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for whoever called
            check=False,
        )

    def connected(self, server: Server) -> int:
        """Return how many connections a server has at the moment."""
        listed = self._run(self._container(server), ["cat", "/proc/net/tcp", "/proc/net/tcp6"])
        port = f":{_PORTS[server]:04X}"
        # A number, the local address, the remote one, the state; then what does not matter here.
        return len(re.findall(rf"^ *\d+: \w+{port} \w+:\w+ {_ESTABLISHED} ", listed, re.MULTILINE))

    def end_function(self, name: str) -> int:
        """End the processes that a function runs in, without a word; returns how many there were."""
        container = self._engine.client.containers.get(f"{self._prefix}-localstack")
        return int(self._run(container, ["sh", "-c", _END_FUNCTION, "end", name]))

    def _container(self, server: Server) -> Any:  # noqa: ANN401  the client's containers have no types
        return self._engine.client.containers.get(f"{self._prefix}-{_CONTAINERS[server]}")

    def _run(self, container: Any, command: list[str]) -> str:  # noqa: ANN401  as above
        code, output = container.exec_run(command)
        if code:
            raise NotReadyError(
                f"container {container.name}",
                expected=f"`{command[0]}` to succeed in it",
                seen=f"it ended with {code}: {output.decode(errors='replace').strip()}",
                remedy="See how the environment does: mita status --environment kind.",
            )
        return str(output.decode())
