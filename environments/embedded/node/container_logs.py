"""Reading the log of a container as `kubectl logs` asks for it.

A container writes its log file itself, so the file holds its raw output: both streams
in one, and no times beside those that the program writes.  What is known of a line's
time is therefore a bound, and it is used so that no line is kept back which may be asked
for:

- ``sinceTime`` and ``sinceSeconds`` leave out a log that was last written to before that
  time; otherwise its lines are all given.
- ``timestamps`` puts before each line that is already there the time when the file was
  last written to, and before each line that comes while the log is followed the time
  when it was read, a tenth of a second late at most.
"""

from __future__ import annotations

import asyncio
import datetime
import io
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

_CHUNK_BYTES = 1 << 16
_POLL_SECONDS = 0.1
_AFTER_LINE = re.compile(rb"(?<=\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """What part of a log is wanted, and how; the API's PodLogOptions.

    Attributes:
        follow: Whether to go on until the container ends.
        previous: Whether the last ended instance is meant.
        timestamps: Whether each line begins with a time.
        tail_lines: How many of the last lines; None for all.
        since: Seconds since the epoch; None for all.
        limit_bytes: After how many bytes to stop; None for never.
    """

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: float | None = None
    limit_bytes: int | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Read a request's query.

        Raises:
            ValueError: It asks for what makes no sense or is not supported.
        """
        if query.get("stream", "All") != "All":
            raise ValueError("stream: this node keeps both streams in one log; only All is supported")
        if "sinceTime" in query and "sinceSeconds" in query:
            raise ValueError("at most one of `sinceTime` or `sinceSeconds` may be specified")
        since = None
        if "sinceTime" in query:
            since = datetime.datetime.fromisoformat(query["sinceTime"]).timestamp()
        elif (seconds := _number(query, "sinceSeconds", least=1)) is not None:
            since = time.time() - seconds
        return cls(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            tail_lines=_number(query, "tailLines", least=0),
            since=since,
            limit_bytes=_number(query, "limitBytes", least=1),
        )


async def read_log(path: Path, query: LogQuery, may_grow: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield what is asked for of a log file; a file that is not there is empty.

    Args:
        path: The file.
        query: What is asked for.
        may_grow: Whether the container still runs; following ends when it does not.
    """
    left = query.limit_bytes
    async for piece in _pieces(path, query, may_grow):
        if left is not None:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return
        else:
            yield piece


async def _pieces(path: Path, query: LogQuery, may_grow: Callable[[], bool]) -> AsyncIterator[bytes]:
    with _open(path) as log:
        written = _last_written(log)
        log.seek(_start(log, query, written))
        stamp = _Stamp() if query.timestamps else None
        known = written
        while True:
            # Asked before the read: what a container writes last is there when it has ended.
            goes_on = query.follow and may_grow()
            while piece := log.read(_CHUNK_BYTES):
                yield piece if stamp is None else stamp(piece, known)
                await asyncio.sleep(0)  # others have their turn while a long log is read
            if not goes_on:
                return
            await asyncio.sleep(_POLL_SECONDS)
            known = time.time()


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return io.BytesIO()


def _last_written(log: BinaryIO) -> float:
    try:
        return Path(f"/proc/self/fd/{log.fileno()}").stat().st_mtime
    except io.UnsupportedOperation:  # there is no file
        return 0.0


def _start(log: BinaryIO, query: LogQuery, written: float) -> int:
    """Return the offset of the first byte that is wanted."""
    end = log.seek(0, io.SEEK_END)
    if query.since is not None and written < query.since:
        return end
    return 0 if query.tail_lines is None else _tail(log, end, query.tail_lines)


def _tail(log: BinaryIO, end: int, lines: int) -> int:
    """Return where the last lines begin; a last line without its end counts."""
    if lines == 0 or end == 0:
        return end
    log.seek(end - 1)
    wanted = lines + (log.read(1) == b"\n")
    position = end
    while position > 0:
        size = min(_CHUNK_BYTES, position)
        position -= size
        log.seek(position)
        block = log.read(size)
        ends = block.count(b"\n")
        if ends < wanted:
            wanted -= ends
            continue
        found = len(block)
        for _ in range(wanted):
            found = block.rindex(b"\n", 0, found)
        return position + found + 1
    return 0


class _Stamp:
    """Puts a time before each line of a text that comes in pieces."""

    def __init__(self) -> None:
        self._at_start = True

    def __call__(self, piece: bytes, moment: float) -> bytes:
        when = datetime.datetime.fromtimestamp(moment, datetime.UTC)
        # Nine digits as the kubelet's, whose clock counts nanoseconds.
        prefix = when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
        lines = [line for line in _AFTER_LINE.split(piece) if line]
        stamped = prefix.join([b"", *lines]) if self._at_start else prefix.join(lines)
        self._at_start = piece.endswith(b"\n")
        return stamped


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "false") in {"true", "True", "1"}


def _number(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    if name not in query:
        return None
    number = int(query[name])
    if number < least:
        raise ValueError(f"{name}: must be at least {least}, not {number}")
    return number
