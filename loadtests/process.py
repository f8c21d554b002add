"""A load run in a process of its own, beside whoever wants it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from deployer.errors import NotReadyError
from deployer.eventually import eventually
from deployer.parent_death import end_with_parent
from loadtests.results import INTERVALS_FILE, SUMMARY_FILE, read_intervals

LOCUSTFILE = Path(__file__).parent / "locustfile.py"
_LONGEST = 900.0  # seconds
_START_SECONDS = 60.0
_END_SECONDS = 60.0
# Where the generator shares the machine with what it measures, that goes first.
_NICENESS = "10"

Json = dict[str, Any]


def _last_second(file: Path) -> int:
    return max((interval.second for interval in read_intervals(file)), default=0) if file.exists() else 0


def _as_child() -> None:
    end_with_parent()
    # It is ignored by all that a shell has in its background, and stops load.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Load:
    """A load run.

    Args:
        base: Base URL of the application.
        directory: For its results; made if it is not there.
        arguments: The shape.

    Attributes:
        directory: Where its results are.
        uses_credentials: Whether its users also send the request that uses database and cache.
    """

    def __init__(self, base: str, directory: Path, *arguments: str) -> None:
        directory = directory.absolute()  # Locust works in a directory of its own
        self.directory = directory
        self.uses_credentials = "--credentials" in arguments
        directory.mkdir(parents=True, exist_ok=True)
        nice = shutil.which("nice")
        first = (nice, "-n", _NICENESS) if nice else ()
        locust = (sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary")
        with (directory / "locust.log").open("w") as log:
            self._process = subprocess.Popen(
                [*first, *locust, "--host", base, "--results", str(directory), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=LOCUSTFILE.parents[1],
                preexec_fn=_as_child,  # noqa: PLW1509 - two system calls, and no other way to make them
            )

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None as long as it works."""
        return self._process.poll()

    def await_requests(self) -> None:
        """Wait until requests are answered.

        Raises:
            NotReadyError: None is, or it has ended.
        """
        intervals = self.directory / INTERVALS_FILE

        def none() -> str | None:
            if self.exit_code is not None:
                return f"Locust ended with {self.exit_code}"
            return None if intervals.exists() and intervals.stat().st_size else "no request has been answered"

        eventually(
            none, subject="load", deadline=_START_SECONDS, remedy=f"Read {self.directory / 'locust.log'}."
        )

    def await_seconds(self, count: int) -> None:
        """Wait until it has told of some seconds more, so that what has just happened is among them.

        Raises:
            NotReadyError: It has ended.
        """
        intervals = self.directory / INTERVALS_FILE
        wanted = _last_second(intervals) + count

        def untold() -> str | None:
            if self.exit_code is not None:
                return f"Locust ended with {self.exit_code}"
            return None if _last_second(intervals) >= wanted else "it has not told of them yet"

        eventually(
            untold, subject="load", deadline=_START_SECONDS, remedy=f"Read {self.directory / 'locust.log'}."
        )

    def stop(self) -> Json:
        """End it if it has not ended, and return its summary.

        Raises:
            NotReadyError: It does not end.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # at which Locust sums up
        return self._ended(_END_SECONDS)

    def finish(self) -> Json:
        """Wait until it ends by itself, and return its summary.

        Raises:
            NotReadyError: It does not end.
        """
        return self._ended(_LONGEST)

    def _ended(self, seconds: float) -> Json:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotReadyError(
                "load",
                expected=f"Locust to end within {seconds:.0f} s",
                seen="it goes on",
                remedy=f"Read {self.directory / 'locust.log'}.",
            ) from None
        return self.summary()

    def kill(self) -> None:
        """See that nothing is left of it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def summary(self) -> Json:
        """Return what it found."""
        summary: Json = json.loads((self.directory / SUMMARY_FILE).read_text(encoding="utf-8"))
        return summary
