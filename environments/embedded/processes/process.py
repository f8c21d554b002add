"""One process of a run, from its start to its certain end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployer.errors import MissingToolError, NotReadyError
from environments.embedded.processes.spawn import spawn

_KILL_SECONDS = 10.0
_LOG_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """How a process is started, known to be ready, and ended.

    Attributes:
        name: Unique within the run, for example ``kube-apiserver``.
        argv: Program and arguments; never a secret value, everybody can read them.
        environment: The whole environment: nothing is inherited, only ``MITA_RUN`` is added.
        directory: Working directory.
        log: File that standard output and standard error are appended to.
        ready: Says None when the process serves, otherwise what is still missing; asked again
            and again.  Without it a process counts as ready once it is started.
        deadline: Seconds until it has to be ready.
        grace: Seconds between the stop signal and KILL.
        stop_signal: What asks the process to end.
        user: User id to drop to; only root can.
        group: Group id to drop to; only root can.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    log: Path
    ready: Callable[[], Awaitable[str | None]] | None = None
    deadline: float = 60.0
    grace: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    user: int | None = None
    group: int | None = None


class Process:
    """A child process; made by `Process.create`.

    Attributes:
        spec: What it was started from.
        pid: Its process id, which is its process group and session as well.
        started: When it started, in seconds since the epoch.
    """

    def __init__(self, spec: ProcessSpec, environment: Mapping[str, str]) -> None:
        self.spec = spec
        self._log_offset = spec.log.stat().st_size if spec.log.exists() else 0
        self._popen = spawn(
            spec.argv,
            environment=environment,
            directory=spec.directory,
            log=spec.log,
            user=spec.user,
            group=spec.group,
        )
        self.pid = self._popen.pid
        self.started = psutil.Process(self.pid).create_time()
        self._exited = asyncio.Event()
        # Readable as soon as the process has ended, and until then certain to mean this one.
        self._descriptor = os.pidfd_open(self.pid)
        self._callbacks: list[Callable[[Process], None]] = []
        asyncio.get_running_loop().add_reader(self._descriptor, self._reap)

    @classmethod
    def create(cls, spec: ProcessSpec, environment: Mapping[str, str]) -> Process:
        """Start the process, without waiting until it is ready.

        Args:
            spec: What to start.
            environment: The environment, complete.

        Raises:
            MissingToolError: The program cannot be started.
        """
        try:
            return cls(spec, environment)
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise MissingToolError(
                spec.name,
                expected=f"{spec.argv[0]} to be a program that can be started",
                seen=f"{error.strerror}: {error.filename}",
                remedy="Build or install it again, and see that its directories can be entered.",
            ) from error

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while the process runs."""
        return self._popen.returncode

    def on_exit(self, callback: Callable[[Process], None]) -> None:
        """Have a callback called once, when the process has ended."""
        self._callbacks.append(callback)

    async def wait(self) -> int:
        """Wait until the process has ended and return its exit code, negative for a signal."""
        await self._exited.wait()
        return self._popen.returncode

    async def stop(self) -> int:
        """End the process: its stop signal, after the grace KILL to all of its group; awaited.

        Returns:
            Its exit code, negative for a signal.

        Raises:
            NotReadyError: It survives KILL.
        """
        self.signal(self.spec.stop_signal)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.wait(), self.spec.grace)
        return await self.kill()

    async def kill(self) -> int:
        """End the process and its group at once; awaited.

        Raises:
            NotReadyError: It survives.
        """
        if self.returncode is None:
            self._kill_group()
        try:
            return await asyncio.wait_for(self.wait(), _KILL_SECONDS)
        except TimeoutError:
            raise NotReadyError(
                f"process {self.spec.name} ({self.pid})",
                expected=f"its end within {_KILL_SECONDS:g} s of KILL",
                seen="still there; the kernel may be waiting for a device",
                remedy="Look at /proc/PID/stack as root, or restart the machine.",
            ) from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself; nothing happens if it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def outcome(self) -> str:
        """Tell how the process ended, in words."""
        code = self.returncode
        if code is None:
            return "still running"
        if code >= 0:
            return f"exited with code {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"

    def log_tail(self, lines: int = 8) -> str:
        """Return the last lines that this process, and none before it, wrote to its log."""
        with self.spec.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_offset, end - _LOG_BYTES))
            tail = file.read().decode(errors="replace").splitlines()[-lines:]
        return "\n".join(line for line in tail if line.strip()) or "(nothing in its log)"

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        # While the leader is a zombie its group id cannot become another's.
        self._kill_group()
        self._popen.wait()
        os.close(self._descriptor)
        self._exited.set()
        for callback in self._callbacks:
            callback(self)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
