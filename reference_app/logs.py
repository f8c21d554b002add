"""Structured logs: one JSON object a line on standard output, never holding a credential.

Messages of exceptions are left out on purpose: a library's error may quote the connection URL it was
given.  The exception's type, SQLSTATE and code locations say enough.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import sys
import traceback
from types import TracebackType
from typing import Any

logger = logging.getLogger("mita")


def configure() -> None:
    """Send every record of this process, libraries' included, to standard output as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def event(name: str, /, *, level: int = logging.INFO, **fields: str | float | bool | None) -> None:
    """Log one thing that happened, with fields that a person or a timeline can read."""
    logger.log(level, name, extra={"fields": fields})


def reason(error: BaseException) -> str:
    """Name an error without quoting it: its type, with PostgreSQL's SQLSTATE or the missing key's name."""
    more = getattr(error, "sqlstate", None) or getattr(error, "missing_key", None)
    return f"{type(error).__name__}({more})" if more else type(error).__name__


def forgotten_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio could raise to nobody; the default handler would print the error's message."""
    error = context.get("exception")
    event("unhandled error", level=logging.ERROR, error=reason(error) if error else str(context["message"]))


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; exceptions as type and code locations."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = reason(record.exc_info[1])
            line["at"] = _locations(record.exc_info[2])
        return json.dumps(line)


def _locations(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(trace)]
