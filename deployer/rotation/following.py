"""Follows a rotation function through its steps, by its log, until the labels say that it is complete."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from deployer.errors import NotReadyError
from deployer.rotation import function_log
from deployer.rotation.record import STEPS, Kind
from deployer.rotation.stored import Stored
from deployer.rotation.trail import POLL, Trail

# Failures after which the same rotation may succeed without anybody doing anything.
_PASSING = {"SessionsOpenError", "BusyError", "ChangedMeanwhileError"}
_RETRY_PAUSE = 1.0
_LOG_SECONDS = 10.0


class Follower:
    """Follows the rotation to one version.

    Args:
        logs: Client of CloudWatch Logs.
        group: The function's log group.
        stored: The secret.
        secret: Its name below the prefix, for remedies.
        version: Id of the version that is to become the current one.
        ask: Asks for the rotation once more.
        trail: Takes what is seen.
    """

    def __init__(
        self,
        logs: Any,  # noqa: ANN401  boto3 client
        group: str,
        stored: Stored,
        secret: str,
        version: str,
        *,
        ask: Callable[[], None],
        trail: Trail,
    ) -> None:
        self._logs = logs
        self._group = group
        self._stored = stored
        self._secret = secret
        self._version = version
        self._ask = ask
        self._trail = trail
        self._since = trail.began
        self._told: set[tuple[str, str, datetime]] = set()
        self._finished = False

    def follow(self) -> None:
        """Wait until the version is the current one.

        Raises:
            NotReadyError: A step failed for good, or time ran out.
        """
        self._trail.wait(
            self._incomplete,
            self._trail.subject,
            "Read the function's log; then finish with --resume, or give up with --abandon.",
        )
        self._trail.hop(Kind.CURRENT)

    def await_log(self) -> None:
        """Read what the function said last: its log is later than what it did, and may stay so.

        One that ended before it could say that it was done says no more.
        """
        end = time.monotonic() + _LOG_SECONDS
        while not self._finished and time.monotonic() < end:
            said = self._read(self._trail.began)
            if said and said[-1].outcome == "failed":
                return
            time.sleep(POLL)

    def _incomplete(self) -> str | None:
        said = self._read(self._since)
        if self._stored.versions() == (self._version, None):
            return None
        if not said:
            return "the function has not begun"
        last = said[-1]
        if last.outcome != "failed":
            return f"{last.step} {last.outcome}"
        if last.error not in _PASSING:
            raise self._failure(last)
        time.sleep(_RETRY_PAUSE)  # the same step is asked for again; what is waited for is asked then
        self._ask()
        self._since = last.at + timedelta(milliseconds=1)
        return f"{last.step}: {last.reason}"

    def _read(self, since: datetime) -> list[function_log.StepReport]:
        said = list(function_log.reports(self._logs, self._group, self._version, since))
        for report in said:
            if (key := (report.step, report.outcome, report.at)) not in self._told:
                self._told.add(key)
                self._report(report)
        return said

    def _report(self, report: function_log.StepReport) -> None:
        if report.ended:
            self._trail.hop(Kind.STEP, report.step, at=report.at)
            self._finished = self._finished or report.step == STEPS[-1]
        elif report.outcome == "failed":
            self._trail.tell("progress", f"{report.step} failed: {report.reason or report.error}")
        else:
            self._trail.tell("progress", report.step)

    def _failure(self, report: function_log.StepReport) -> NotReadyError:
        return NotReadyError(
            self._trail.subject,
            expected=f"{report.step} to be done",
            seen=report.reason or report.error,
            remedy=f"The value before goes on working.  Put right what is named, then `mita rotate "
            f"{self._secret} --resume`; or give up: --abandon.",
        )
