"""Calls of a rotation function that stop wherever something else might happen, or die there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

_SECONDS = 30.0


class Died(BaseException):
    """The function's process ended here: nothing of it is executed any more."""


class Run:
    """One call, in a thread of its own that goes on only when it is told to.

    Attributes:
        name: For messages.
        place: Where it waits.
        error: What ended it, if anything did.
        over: Whether it is at its end.
    """

    _of_thread: ClassVar[threading.local] = threading.local()

    def __init__(self, name: str, call: Callable[[], object]) -> None:
        self.name = name
        self.place = "the beginning"
        self.error: BaseException | None = None
        self.over = False
        self._call = call
        self._doomed = False
        self._failure: Callable[[str], BaseException] | None = None
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"{self.name} at {self.place}"

    def _work(self) -> None:
        self._of_thread.run = self
        self._go.acquire()
        try:
            if not self._doomed:
                self._call()
        except BaseException as error:  # noqa: BLE001  kept for who waits
            self.error = error
        self.over = True
        self._stopped.release()

    def advance(self) -> None:
        """Let it go on to the next place."""
        if not self.over:
            self._go.release()
            assert self._stopped.acquire(timeout=_SECONDS), f"{self} does not stop"

    def to_the_end(self) -> Run:
        """Let it go on until it is over."""
        while not self.over:
            self.advance()
        return self

    def die(self) -> None:
        """End it where it waits: whatever it calls from now on, it calls no more."""
        self._doomed = True
        self.to_the_end()

    def fail(self, failure: Callable[[str], BaseException]) -> None:
        """Let what it waits for fail, then stop at the next place.

        Args:
            failure: Makes the error from the place.
        """
        self._failure = failure
        self.advance()

    def _stop_at(self, place: str) -> None:
        if not self._doomed:
            self.place = place
            self._stopped.release()
            self._go.acquire()
        if self._doomed:
            raise Died
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure(place)

    @classmethod
    def gate(cls, place: str) -> None:
        """Stop the calling thread's run here; a thread that is no run's goes on."""
        run: Any = getattr(cls._of_thread, "run", None)
        if run is not None:
            run._stop_at(place)
