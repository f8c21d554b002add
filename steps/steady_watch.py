"""The steady state while things go wrong: asked for again and again, until something goes too far."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

_PAUSE = 1.0  # seconds between two looks


class Patience:
    """How long one statement of the steady state may fail at a stretch.

    Args:
        what: How the statement begins.
        seconds: How long.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._since: float | None = None

    def judge(self, now: float, lacking: Sequence[str]) -> str | None:
        """Take in what does not hold at a moment, and say why that goes too far; None while it does not."""
        mine = next((each for each in lacking if each.startswith(self._what)), None)
        if mine is None:
            self._since = None
            return None
        self._since = now if self._since is None else self._since
        failed = now - self._since
        return f"For {failed:.0f} s this did not hold: {mine}." if failed > self._seconds else None


class SteadyWatch:
    """Asks for the steady state as long as the block lasts, and stops what goes too far.

    Args:
        probe: Asks once, writes down the answers, and returns what does not hold.
        patience: How much is put up with.
        stop: Stops everything; called from a thread of this one's own.

    Attributes:
        reason: Why it was stopped; None as long as it was not.
    """

    def __init__(
        self,
        probe: Callable[[], Sequence[str]],
        patience: Patience,
        stop: Callable[[], None],
        *,
        pause: float = _PAUSE,
    ) -> None:
        self.reason: str | None = None
        self._probe = probe
        self._patience = patience
        self._stop = stop
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="steady-watch", daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(self._pause):
            lacking = self._probe()
            self.reason = self._patience.judge(time.monotonic(), lacking)
            if self.reason is not None and not self._ended.is_set():
                self._stop()
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
