"""One process of a function: begun, watched, and ended for certain."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from .runtime_api import Event, Exited, RuntimeApi

_CHUNK = 1 << 16
_LAUNCHER = Path(__file__).with_name("launch.py")


class FunctionProcess:
    """A process of the runtime client with its function, in a process group of its own.

    Args:
        interpreter: The functions' Python.
        handler: The handler, as the function names it.
        environment: The whole environment; nothing is inherited.
        directory: Working directory, the function's code.
        host: Address for its Runtime API.
        written: Told what it writes to its standard output and error, as it comes.

    Attributes:
        events: What it does, and its end.
        api: Its Runtime API.
        ended: Set when it has ended and everything it wrote has been read.
    """

    def __init__(
        self,
        interpreter: Path,
        handler: str,
        environment: Mapping[str, str],
        *,
        directory: Path,
        host: str,
        written: Callable[[bytes], None],
    ) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.api = RuntimeApi(host, self.events)
        self.ended = threading.Event()
        self._written = written
        self._peak = 0
        self._reading = threading.Lock()
        # -P: what lies beside the launcher is no module of the function's.
        argv = [str(interpreter), "-P", str(_LAUNCHER), str(os.getpid()), handler]
        variables = {**environment, "AWS_LAMBDA_RUNTIME_API": self.api.address}
        try:
            self._popen = _spawner().spawn(argv, variables, directory)
        except BaseException:
            self.api.close()
            raise
        if self._popen.stdout is None:
            raise RuntimeError("a process without its pipe")
        self._output = self._popen.stdout
        os.set_blocking(self._output.fileno(), False)
        _living.add(self)
        threading.Thread(target=self._watch, name=f"function-{self._popen.pid}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id, which is its process group and session as well."""
        return self._popen.pid

    def drain(self) -> None:
        """Take what it has written by now."""
        with self._reading, contextlib.suppress(BlockingIOError, ValueError):
            while chunk := os.read(self._output.fileno(), _CHUNK):
                self._written(chunk)

    def peak(self) -> int:
        """Return the most megabytes that it is known to have had in memory."""
        self._peak = max(self._peak, self._status("VmHWM:"))
        return self._peak

    def _status(self, name: str) -> int:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith(name):
                    return -(-int(line.split()[1]) // 1024)
        return 0

    def kill(self) -> None:
        """End it and what it has started; `events` tell when that is done."""
        # The watcher reaps it, so that the id means nobody else before that.
        with self._reading:
            if self._popen.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)

    def _watch(self) -> None:
        """Read what it writes, and tell of its end at once."""
        descriptor = os.pidfd_open(self.pid)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.register(self._output, select.POLLIN)
        ended = False
        while not ended:
            for ready, happened in poll.poll():
                if ready == descriptor:
                    ended = True
                elif happened & select.POLLIN:
                    self.drain()
                else:
                    poll.unregister(ready)  # closed, though the process goes on
        os.close(descriptor)
        self.drain()
        with self._reading:
            # While it is a zombie, its group cannot be another's; what it started goes with it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            code = self._popen.wait()
            self._output.close()
        self.api.close()
        _living.discard(self)
        self.ended.set()
        self.events.put(Exited(code))


class _Spawner:
    """The thread that starts all processes: the kernel ends each of them when its creator, a thread, ends."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[
            tuple[Future[subprocess.Popen[bytes]], Sequence[str], Mapping[str, str], Path]
        ] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="function-spawner", daemon=True).start()

    def spawn(
        self, argv: Sequence[str], environment: Mapping[str, str], directory: Path
    ) -> subprocess.Popen[bytes]:
        started: Future[subprocess.Popen[bytes]] = Future()
        self._asked.put((started, argv, environment, directory))
        return started.result()

    def _run(self) -> None:
        while True:
            started, argv, environment, directory = self._asked.get()
            try:
                started.set_result(
                    subprocess.Popen(
                        argv,
                        env=dict(environment),
                        cwd=directory,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        umask=0o077,
                    )
                )
            except Exception as error:  # noqa: BLE001  it is the asker's
                started.set_exception(error)


def kill_all() -> None:
    """End the processes of all functions, and what they have started."""
    for process in list(_living):
        process.kill()


_living: set[FunctionProcess] = set()
_lock = threading.Lock()
_spawners: list[_Spawner] = []


def _spawner() -> _Spawner:
    with _lock:
        if not _spawners:
            _spawners.append(_Spawner())
        return _spawners[0]
