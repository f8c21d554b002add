"""One invocation of a function: handed to its process, and ended at the limits of time and memory."""

from __future__ import annotations

import enum
import queue
import time

from . import function_reports as reports
from .function_process import FunctionProcess
from .function_reports import LONGEST_ANSWER, Failure
from .runtime_api import Answered, Event, Exited, Idle, NotInitialised, Work

INIT_SECONDS = 10.0
"""What Lambda gives a process to begin, before the function's own time counts."""

_LOOK_SECONDS = 0.05  # how often the memory is looked at
_END_SECONDS = 5.0

type Outcome = Answered | Failure


class _Limit(enum.Enum):
    TIME = enum.auto()
    MEMORY = enum.auto()


class Invocation:
    """One invocation.

    Args:
        process: The process that serves it.
        work: What it is given.
        seconds: The function's time.
        memory: The function's memory, in megabytes.
    """

    def __init__(self, process: FunctionProcess, work: Work, *, seconds: int, memory: int) -> None:
        self._process = process
        self._work = work
        self._seconds = seconds
        self._memory = memory
        self._event: Event | _Limit | None = None

    def begin(self) -> None:
        """Wait until a process that has just been started can serve, or cannot, or is late."""
        event = self._next(time.monotonic() + INIT_SECONDS)
        # One that is late goes on beginning in the function's own time.
        self._event = None if event is _Limit.TIME else event

    def serve(self) -> Outcome:
        """Have it served; the process has ended if that failed."""
        deadline = time.monotonic() + self._seconds
        outcome: Outcome | None = None
        while outcome is None:
            event, self._event = self._event or self._next(deadline), None
            if isinstance(event, Idle):
                self._process.api.give(self._dated(deadline))
            else:
                outcome = self._outcome(event)
        if isinstance(outcome, Failure):
            self._end()
        return outcome

    def _dated(self, deadline: float) -> Work:
        left = deadline - time.monotonic()
        headers = {"Lambda-Runtime-Deadline-Ms": str(int((time.time() + left) * 1000))}
        return Work(self._work.request, self._work.payload, {**self._work.headers, **headers})

    def _outcome(self, event: Event | _Limit) -> Outcome | None:
        request, outcome = self._work.request, None
        match event:
            case _Limit.TIME:
                outcome = reports.timed_out(request, self._seconds)
            case _Limit.MEMORY:
                outcome = reports.out_of_memory(request)
            case Exited(code):
                outcome = reports.exited(request, code)
            case NotInitialised(payload):
                outcome = reports.not_initialised(payload)
            case Answered(answered) if answered == request:
                return self._answer(event)
        return outcome  # none for a late answer to an earlier invocation

    def _answer(self, answered: Answered) -> Outcome:
        request, size = self._work.request, len(answered.payload)
        # The memory may have come and gone between two looks.
        if self._process.peak() > self._memory:
            return reports.out_of_memory(request)
        return answered if size <= LONGEST_ANSWER else reports.too_large(request, size)

    def _next(self, deadline: float) -> Event | _Limit:
        while (left := deadline - time.monotonic()) > 0:
            try:
                return self._process.events.get(timeout=min(left, _LOOK_SECONDS))
            except queue.Empty:
                if self._process.peak() > self._memory:
                    return _Limit.MEMORY
        return _Limit.TIME

    def _end(self) -> None:
        self._process.kill()
        if not self._process.ended.wait(_END_SECONDS):
            raise RuntimeError(f"process {self._process.pid} of a function survives its end")
