"""What Lambda says of an invocation: its lines in the log, and its words for what went wrong."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import dataclass
from datetime import UTC, datetime

# In Go's words, as Lambda has them.
_SIGNALS = {
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}
_TIMED_OUT = "Sandbox.Timedout"
LONGEST_ANSWER = 6_291_556
"""Bytes that a function's answer may have."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a function did not answer, as Lambda tells it.

    Attributes:
        kind: Such as ``Runtime.ExitError``.
        message: In words.
        line: What the log says.
        told: What the runtime itself has to say.
    """

    kind: str
    message: str
    line: str
    told: bytes | None = None

    @property
    def payload(self) -> bytes:
        """What the caller gets."""
        if self.told is not None:
            return self.told
        return json.dumps({"errorType": self.kind, "errorMessage": self.message}).encode()


def timed_out(request: str, seconds: int) -> Failure:
    """Describe the end of a function's time."""
    words = f"Task timed out after {seconds:.2f} seconds"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Failure(_TIMED_OUT, f"RequestId: {request} Error: {words}", f"{now} {request} {words}")


def out_of_memory(request: str) -> Failure:
    """Describe a function that took more memory than it has."""
    return _exited(request, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed")


def exited(request: str, code: int) -> Failure:
    """Describe the end of a function's process.

    Args:
        request: The invocation.
        code: Exit code, negative for a signal.
    """
    if code == 0:
        words = "Runtime exited without providing a reason"
    elif code > 0:
        words = f"Runtime exited with error: exit status {code}"
    else:
        words = f"Runtime exited with error: signal: {_signal(-code)}"
    return _exited(request, "Runtime.ExitError", words)


def not_initialised(payload: bytes) -> Failure:
    """Describe a function that could not be loaded; its runtime has written why, and told it."""
    try:
        told = json.loads(payload)
        return Failure(str(told["errorType"]), str(told["errorMessage"]), "", told=payload)
    except (ValueError, KeyError, TypeError):
        return Failure("Runtime.Unknown", "The runtime could not load the function", "", told=payload)


def too_large(request: str, size: int) -> Failure:
    """Describe an answer that Lambda does not take."""
    limit = f"maximum allowed payload size ({LONGEST_ANSWER} bytes)"
    words = f"Response payload size ({size} bytes) exceeded {limit}."
    return Failure("Function.ResponseSizeTooLarge", words, f"RequestId: {request} Error: {words}")


def _exited(request: str, kind: str, words: str) -> Failure:
    message = f"RequestId: {request} Error: {words}"
    return Failure(kind, message, f"{message}\n{kind}")


def _signal(number: int) -> str:
    return next((words for each, words in _SIGNALS.items() if each == number), f"signal {number}")


def started(request: str, version: str) -> str:
    """Return the first line of an invocation."""
    return f"START RequestId: {request} Version: {version}"


def ended(
    request: str,
    *,
    seconds: float,
    memory_size: int,
    memory_used: int,
    init_seconds: float | None,
    failure: str | None,
) -> str:
    """Return the last lines of an invocation.

    Args:
        request: The invocation.
        seconds: How long it took.
        memory_size: Megabytes that the function has.
        memory_used: Megabytes that it has had at most.
        init_seconds: How long its process took to begin, if it was begun for this invocation.
        failure: Kind of the failure, if Lambda itself ended the invocation.
    """
    milliseconds = seconds * 1000
    facts = [
        f"REPORT RequestId: {request}",
        f"Duration: {milliseconds:.2f} ms",
        f"Billed Duration: {math.ceil(milliseconds)} ms",
        f"Memory Size: {memory_size} MB",
        f"Max Memory Used: {memory_used} MB",
    ]
    if init_seconds is not None:
        facts.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
    if failure == _TIMED_OUT:
        facts.append("Status: timeout")
    elif failure is not None:
        facts += ["Status: error", f"Error Type: {failure}"]
    return f"END RequestId: {request}\n" + "\t".join(facts)
