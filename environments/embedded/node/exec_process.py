"""A command that runs beside a container's program, with its streams in this process' hands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from environments.embedded.processes.spawn import dies_with

_CHUNK_BYTES = 1 << 15
_SIGNALLED = 128
_DEFAULT_TERMINAL = {"TERM": "xterm"}
_END_OF_INPUT = b"\x04"  # what a terminal takes for the end, at the start of a line


class Descriptor:
    """Our end of a pipe or terminal, read and written without blocking the event loop."""

    def __init__(self, number: int) -> None:
        self._number = number
        os.set_blocking(number, False)

    async def read(self) -> bytes:
        """Return the next bytes; nothing at the end."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self._number, _CHUNK_BYTES)
            except BlockingIOError:
                await self._ready(loop.add_reader, loop.remove_reader)
            except OSError as error:
                if error.errno != errno.EIO:  # a terminal's other side is closed
                    raise
                return b""

    async def write(self, data: bytes) -> None:
        """Write all of the bytes; they vanish when the other side does not read any more."""
        loop = asyncio.get_running_loop()
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._number, rest) :]
            except BlockingIOError:
                await self._ready(loop.add_writer, loop.remove_writer)
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.EIO):
                    raise
                return

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of a terminal, which tells the programs in it."""
        fcntl.ioctl(self._number, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """Close it; nothing may wait on it any more."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    async def _ready(
        self, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], object]
    ) -> None:
        ready = asyncio.Event()
        add(self._number, ready.set)
        try:
            await ready.wait()
        finally:
            remove(self._number)


class ExecProcess:
    """A running command; made by `start`, and to be closed.

    It leads a process group and session of its own and dies with this process.

    Attributes:
        pid: Its process id, which is its group's and session's as well.
        stdin: Where its input goes; None when it has none.
        outputs: Its standard output, and its standard error where that is apart.
    """

    def __init__(
        self, popen: subprocess.Popen[bytes], stdin: Descriptor | None, outputs: Sequence[Descriptor]
    ) -> None:
        self._popen = popen
        self.pid = popen.pid
        self._descriptor = os.pidfd_open(popen.pid)
        self.stdin = stdin
        self.outputs = outputs

    @classmethod
    def start(
        cls, argv: Sequence[str], environment: Mapping[str, str], directory: Path, *, stdin: bool, tty: bool
    ) -> Self:
        """Start a command.

        Args:
            argv: Program, looked up in the PATH of its own environment, and arguments.
            environment: The whole environment.
            directory: Working directory.
            stdin: Whether it gets input; otherwise it reads nothing.
            tty: Whether all its streams are one terminal.

        Raises:
            OSError: It cannot be started.
            ValueError: An argument or variable holds a null character.
        """
        return (cls._in_terminal if tty else cls._with_pipes)(argv, environment, directory, stdin)

    @classmethod
    def _with_pipes(
        cls, argv: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: bool
    ) -> Self:
        popen = subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=dies_with(os.getpid()),  # noqa: PLW1509  as for every child; it takes no lock
        )
        assert popen.stdout is not None  # noqa: S101  both were asked for
        assert popen.stderr is not None  # noqa: S101
        outputs = [_taken(popen.stdout), _taken(popen.stderr)]
        return cls(popen, None if popen.stdin is None else _taken(popen.stdin), outputs)

    @classmethod
    def _in_terminal(
        cls, argv: Sequence[str], environment: Mapping[str, str], directory: Path, stdin: bool
    ) -> Self:
        ours, theirs = pty.openpty()
        bind_to_parent = dies_with(os.getpid())

        def take_terminal() -> None:
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
            bind_to_parent()

        try:
            popen = subprocess.Popen(
                argv,
                env={**_DEFAULT_TERMINAL, **environment},
                cwd=directory,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=take_terminal,  # noqa: PLW1509  as for every child; it takes no lock
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        terminal = Descriptor(ours)
        return cls(popen, terminal if stdin else None, [terminal])

    @property
    def terminal(self) -> Descriptor | None:
        """The terminal of all its streams, where it has one."""
        return self.outputs[0] if len(self.outputs) == 1 else None

    async def wait(self) -> int:
        """Wait until the command has ended; return its exit code, or 128 and the signal that ended it.

        What it started may go on, and so may its outputs.
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._descriptor)
        # Not reaped: as long as the zombie is there its group's number is no other's.
        result = os.waitid(  # noqa: ASYNC222  it has ended, so this does not wait
            os.P_PIDFD, self._descriptor, os.WEXITED | os.WNOWAIT
        )
        assert result is not None  # noqa: S101  only with WNOHANG
        return result.si_status if result.si_code == os.CLD_EXITED else _SIGNALLED + result.si_status

    def kill(self) -> None:
        """Kill the command and all of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    async def end_input(self) -> None:
        """Tell the command that its input has ended."""
        if self.stdin is None:
            return
        if self.terminal is not None:
            await self.terminal.write(_END_OF_INPUT)
        else:
            self.stdin.close()

    async def close(self) -> None:
        """Kill what is left of the command's group and let go of it; nothing may wait on it any more."""
        self.kill()
        await self.wait()
        self._popen.wait()
        if self.stdin is not None:
            self.stdin.close()
        for output in self.outputs:
            output.close()
        os.close(self._descriptor)


def _taken(stream: IO[bytes]) -> Descriptor:
    number = os.dup(stream.fileno())
    stream.close()
    return Descriptor(number)
