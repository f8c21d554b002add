"""The timeline of a run: a file that every process of it may append to.

A line is one entry, written by one call to a file opened for appending, so lines of
several processes never mix.  What a killed writer left of its last line is passed over;
any other line that is not an entry is an error that names it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from deployer.errors import ConfigurationError
from evidence.events import AnyEvent, Entry, Event, History
from evidence.redaction import redact_strings

TIMELINE_FILE = "timeline.jsonl"

_EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)


class Timeline:
    """Appends what happens to a file, and reads it.

    Args:
        file: Made on the first entry, for its owner alone.
        redact: Replaces secret values in a text, for remarks that others wrote.
        wall: Seconds since the epoch.
        monotonic: Seconds of the clock that is never set.
    """

    def __init__(
        self,
        file: Path,
        *,
        redact: Callable[[str], str] = str,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = file
        self._redact = redact
        self._wall = wall
        self._monotonic = monotonic

    def now(self) -> float:
        """Return the time as entries carry it, for `since` and `append`."""
        return self._wall()

    def append(self, event: Event, *, at: float | None = None) -> Entry:
        """Write down that something happened.

        Args:
            event: What.
            at: When, in seconds since the epoch; now unless given.

        Raises:
            ConfigurationError: The file cannot be written.
            ValueError: The event is none that a timeline can hold.
        """
        wall, monotonic = self._wall(), self._monotonic()
        moment = wall if at is None else at
        entry = Entry(
            at=round(moment, 6),
            monotonic=round(monotonic - (wall - moment), 6),
            event=_EVENT.validate_python(redact_strings(event.model_dump(), self._redact)),
        )
        line = f"{entry.model_dump_json(exclude_none=True)}\n".encode()
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritten(self.file, error.strerror or type(error).__name__) from error
        if written < len(line):
            raise _unwritten(self.file, f"only {written} of {len(line)} bytes were written")
        return entry

    def history(self, *, since: float = float("-inf"), until: float = float("inf")) -> History:
        """Return what was written so far, in order of time, as far as it lies between two moments.

        Raises:
            ConfigurationError: A line of the file is not an entry.
        """
        return between(read(self.file), since, until)


def read(file: Path) -> History:
    """Read a timeline in order of time; one that nobody wrote to is empty.

    Raises:
        ConfigurationError: A line is not an entry, or the file cannot be read.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigurationError(
            str(file),
            expected="a timeline that can be read",
            seen=error.strerror or type(error).__name__,
            remedy="Make it readable.",
        ) from error
    complete = data.rpartition(b"\n")[0]
    lines = complete.split(b"\n") if complete else []
    return merge([_entry(file, number, line) for number, line in enumerate(lines, 1)])


def merge(*histories: Iterable[Entry]) -> History:
    """Return all entries in order of time; those of one moment stay in the order given."""
    return tuple(sorted((entry for each in histories for entry in each), key=lambda entry: entry.at))


def between(history: Iterable[Entry], since: float, until: float) -> History:
    """Return the entries from one moment to another, both included."""
    return tuple(entry for entry in history if since <= entry.at <= until)


def _entry(file: Path, number: int, line: bytes) -> Entry:
    try:
        return Entry.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"{file}, line {number}",
            expected="an entry of a timeline",
            seen=f"{place}: {first['msg']}" if place else first["msg"],
            remedy="Only Timeline.append may write to it; correct or delete the line.",
        ) from None


def _unwritten(file: Path, seen: str) -> ConfigurationError:
    return ConfigurationError(
        f"timeline {file}",
        expected="a file that can be appended to",
        seen=seen,
        remedy="Make room, or name another directory for the report.",
    )
