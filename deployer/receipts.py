"""Receipts: what was done to which object, when and with what result.

A receipt is one JSON line.  `begun` is on disk before an action starts and `done` or
`failed` after it, so a run that was cut short tells what it was at.  Nothing is ever
read back to decide what to do next: an interrupted deployment resumes by observing.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from deployer.changes import Change, Difference
from deployer.errors import ConfigurationError
from deployer.files import append_durably

FILE = "receipts.jsonl"


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts of one run.

    Attributes:
        directory: Where `receipts.jsonl` lies; made on demand, for the owner alone.
        run: Identifies the run; every line carries it.
    """

    directory: Path
    run: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def file(self) -> Path:
        """The file that the lines are appended to."""
        return self.directory / FILE

    def begun(self, change: Change, *, before: str | None) -> float:
        """Note that an action begins; return the monotonic time for `ended`."""
        self._append(change, "begun", before=before, details=_plain(change.details))
        return time.monotonic()

    def ended(
        self,
        change: Change,
        result: Literal["done", "failed"],
        *,
        begun: float,
        before: str | None,
        after: str | None,
        error: str | None = None,
    ) -> None:
        """Note how an action ended.

        Args:
            change: The action.
            result: Whether it succeeded.
            begun: What `begun` returned.
            before: Digest of the object before.
            after: Digest of the object after, where it could be observed.
            error: Type of the error that ended it.
        """
        seconds = round(time.monotonic() - begun, 3)
        self._append(change, result, before=before, after=after, seconds=seconds, error=error)

    def _append(self, change: Change, result: str, **more: object) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "run": self.run,
            "result": result,
            "action": str(change.action),
            "object": change.object,
            "phase": change.phase,
            "reason": change.reason,
            **{key: value for key, value in more.items() if value is not None},
        }
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            append_durably(self.file, json.dumps(line, sort_keys=True))
        except OSError as error:
            raise ConfigurationError(
                f"receipts {self.file}",
                expected="a file that can be appended to",
                seen=error.strerror or type(error).__name__,
                remedy="Make room, or give another state directory; nothing is done without a receipt.",
            ) from error


def _plain(details: tuple[Difference, ...]) -> list[dict[str, str]]:
    return [{"path": each.path, "before": each.before, "after": each.after} for each in details]
