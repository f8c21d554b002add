"""Starting, finding and stopping the host of an embedded environment."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import psutil

from deployer.errors import MitaError, NotReadyError, RefusedError
from deployer.progress import Progress, Step
from environments.embedded import control
from environments.embedded.access import Access
from environments.embedded.messages import DETACH, Message, encode, error, step
from environments.embedded.run_directory import RunDirectory, living_holder, read_manifest, run_root

_ANSWER_SECONDS = 10.0
_STOP_SECONDS = 120.0
_EXIT_SECONDS = 30.0


class OwnedHost:
    """A host that this process started; it ends with this process unless it is detached."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self._channel = channel

    @classmethod
    def start(cls, name: str, tools: Mapping[str, Path], progress: Progress) -> Self:
        """Start an environment and wait until it is ready.

        Raises:
            MitaError: It could not be started; nothing of it is left but its logs.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "environments.embedded.host"],
                stdin=theirs.fileno(),
                # Terminal signals are the client's to handle.
                start_new_session=True,
                cwd="/",
                env=_environment(),
            )
        host = cls(process, ours)
        try:
            ours.sendall(encode({"name": name, "tools": {key: str(path) for key, path in tools.items()}}))
            host._until_ready(progress)
        except BaseException:
            host.stop()
            raise
        return host

    def detach(self) -> None:
        """Let it go on without this process."""
        self._channel.sendall(DETACH)
        self._channel.close()

    def stop(self) -> None:
        """Stop everything and wait until it is gone.

        Raises:
            NotReadyError: It does not end.
        """
        self._channel.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # Its children die with it.
            self._process.kill()
            self._process.wait(_EXIT_SECONDS)

    def _until_ready(self, progress: Progress) -> None:
        for line in self._channel.makefile("rb"):
            message: Message = json.loads(line)
            match message["kind"]:
                case "step":
                    progress(step(message))
                case "error":
                    raise error(message)
                case "ready":
                    return
        raise NotReadyError(
            "host of the embedded environment",
            expected="it to tell when it is ready",
            seen="it ended without a word",
            remedy="Read what it wrote above.",
        )


class RunningHost:
    """A host that somebody started: found by its lock, its identity and its socket.

    Attributes:
        pid: Its process.
        access: How its environment is reached.
        status: What it told of itself when it was found.
    """

    def __init__(self, name: str, pid: int, access: Access, status: Message) -> None:
        self._name = name
        self.pid = pid
        self.access = access
        self.status = status

    @classmethod
    def find(cls, name: str) -> Self | None:
        """Find the host of an environment; None where none runs.

        Raises:
            NotReadyError: It is still starting, or does not answer.
        """
        pid = living_holder(name)
        if pid is None:
            return None
        try:
            access = Access.read(name)
        except OSError:
            raise NotReadyError(
                f"embedded environment {name!r}",
                expected="an environment that is ready",
                seen=f"process {pid} is still starting it, or stopping it",
                remedy="Wait, then try again; `mita status` tells how it is.",
            ) from None
        except ValueError:
            raise RefusedError(
                f"embedded environment {name!r}",
                expected="an environment that this version started",
                seen=f"another version's {run_root(name) / 'access.json'}",
                remedy="Stop it (mita down), then start it again (mita up).",
            ) from None
        (status,) = control.ask(run_root(name) / control.FILE, {"ask": "status"}, timeout=_ANSWER_SECONDS)
        if status["run_id"] != access.run_id:
            raise NotReadyError(
                f"embedded environment {name!r}",
                expected=f"run {access.run_id}",
                seen=f"run {status['run_id']}",
                remedy="Try again: another one has just taken its place.",
            )
        return cls(name, pid, access, status)

    def require_whole(self) -> None:
        """Make sure that none of its servers has ended.

        Raises:
            MitaError: The first that has.
        """
        for failure in self.status["failures"]:
            raise error(failure)

    def restart(self, server: str) -> None:
        """End one server and start it anew.

        Raises:
            MitaError: It does not become ready again.
        """
        self._ask({"ask": "restart", "name": server}, _STOP_SECONDS)

    def freeze(self, server: str, seconds: float) -> None:
        """Keep one server from doing anything for some seconds, and return afterwards."""
        self._ask({"ask": "freeze", "name": server, "seconds": seconds}, seconds + _ANSWER_SECONDS)

    def stop(self) -> None:
        """Stop everything and wait until it is gone.

        Raises:
            NotReadyError: It does not end.
        """
        process = psutil.Process(self.pid)
        list(self._ask({"ask": "stop"}, _STOP_SECONDS))
        _await_end(process)

    def _ask(self, request: Message, timeout: float) -> list[Message]:
        return list(control.ask(run_root(self._name) / control.FILE, request, timeout=timeout))


def stop(name: str, progress: Progress) -> bool:
    """Stop an environment, in whatever state it is, and remove what a dead one left.

    Returns:
        Whether there was anything to stop or to remove.

    Raises:
        MitaError: Something cannot be ended or removed.
    """
    pid = living_holder(name)
    if pid is None:
        if read_manifest(name) is None:
            return False
        progress(Step(f"embedded environment {name!r}", "progress", "removing what a dead run left"))
        RunDirectory.claim(name).release(remove=True)
        return True
    progress(Step(f"embedded environment {name!r}", "started", "stopping"))
    began = time.monotonic()
    try:
        process = psutil.Process(pid)
        found = _find(name)
        if found is not None:
            found.stop()
        else:
            # It starts, or does not answer: a signal reaches it all the same.
            process.terminate()
            _await_end(process)
    except psutil.NoSuchProcess:
        pass  # it ended by itself meanwhile
    if read_manifest(name) is not None:
        RunDirectory.claim(name).release(remove=True)
    progress(Step(f"embedded environment {name!r}", "done", f"stopped in {time.monotonic() - began:.1f} s"))
    return True


def _find(name: str) -> RunningHost | None:
    try:
        return RunningHost.find(name)
    except MitaError:
        return None


def _await_end(process: psutil.Process) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except psutil.TimeoutExpired:
        # Its children die with it.
        process.kill()
        process.wait(_EXIT_SECONDS)


def _environment() -> dict[str, str]:
    """Return what the host inherits: nothing of it is passed on to servers and pods."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
