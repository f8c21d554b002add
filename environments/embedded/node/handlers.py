"""The actions that probes and hooks name: run a command, send an HTTP request, connect."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from deployer.errors import MissingToolError
from environments.embedded.node.api import Object
from environments.embedded.processes import Process, ProcessSpec

_OUTPUT_BYTES = 10 * 1024
_LAST_GOOD_STATUS = 399
# A pod's own loopback is the pod's address here.
_OWN_HOSTS = ("", "localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104  compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a container's program is started, and everything else that is done in it.

    Attributes:
        argv: Program and arguments.
        environment: The whole environment.
        directory: Working directory.
        rewrite: Rewrites one argument for this container.
        address: The address that the pod binds.
        ports: Numbers of the container's named ports.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    rewrite: Callable[[str], str]
    address: str
    ports: Mapping[str, int]

    def port(self, port: int | str) -> int:
        """Return the number of a port that is given by number or name.

        Raises:
            LookupError: The container has no port of that name.
        """
        if isinstance(port, int):
            return port
        if port.isdecimal():
            return int(port)
        if port not in self.ports:
            raise LookupError(f"couldn't find port: {port}")
        return self.ports[port]


@dataclass(frozen=True, slots=True)
class Handler:
    """An action of a probe or hook in a running container.

    Attributes:
        action: The part of the spec that holds `exec`, `httpGet`, `tcpSocket` or `sleep`.
        launch: The container's.
        output: File for the output of a command.
        http: Session for requests.
    """

    action: Object
    launch: Launch
    output: Path
    http: aiohttp.ClientSession

    async def __call__(self, seconds: float) -> str | None:
        """Do it.

        Args:
            seconds: How long it may take.

        Returns:
            None when it succeeded, otherwise what went wrong, in the kubelet's words.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._act()
        except TimeoutError:
            return f"timed out after {seconds:g}s"
        except LookupError as error:
            return str(error.args[0])

    async def _act(self) -> str | None:
        if "exec" in self.action:
            return await self._execute(self.action["exec"].get("command") or [])
        if "httpGet" in self.action:
            return await self._get(self.action["httpGet"])
        if "tcpSocket" in self.action:
            return await self._connect(self.action["tcpSocket"])
        await asyncio.sleep(self.action["sleep"]["seconds"])
        return None

    async def _execute(self, command: list[str]) -> str | None:
        self.output.unlink(missing_ok=True)
        spec = ProcessSpec(
            name=self.output.stem,
            argv=tuple(map(self.launch.rewrite, command)),
            environment=self.launch.environment,
            directory=self.launch.directory,
            log=self.output,
        )
        try:
            process = Process.create(spec, spec.environment)
        except (MissingToolError, OSError, ValueError, subprocess.SubprocessError) as error:
            return f"cannot run {command[0]}: {type(error).__name__}"
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await asyncio.shield(process.kill())
            raise
        if code == 0:
            return None
        with self.output.open("rb") as file:
            return file.read(_OUTPUT_BYTES).decode(errors="replace") or f"exit code {code}"

    async def _get(self, request: Object) -> str | None:
        host, port = self._host(request), self.launch.port(request["port"])
        path = "/" + request.get("path", "").removeprefix("/")
        url = f"{request.get('scheme', 'HTTP').lower()}://{host}:{port}{path}"
        headers = {"User-Agent": "kube-probe/1", "Connection": "close"}
        headers |= {header["name"]: header["value"] for header in request.get("httpHeaders", [])}
        try:
            # As with the kubelet, a redirect is a success and no certificate is checked: a probe asks
            # whether the program answers, and trusts nothing that it says.
            async with self.http.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
                if response.status <= _LAST_GOOD_STATUS:
                    return None
                return f"HTTP probe failed with statuscode: {response.status}"
        except aiohttp.ClientError as error:
            return f'Get "{url}": {error}'

    async def _connect(self, target: Object) -> str | None:
        host, port = self._host(target), self.launch.port(target["port"])
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            return f"dial tcp {host}:{port}: {error.strerror or error}"
        writer.close()
        return None

    def _host(self, target: Object) -> str:
        host: str = target.get("host") or ""
        return self.launch.address if host in _OWN_HOSTS else host
