from __future__ import annotations

import asyncio
import json
import logging

import pytest

from reference_app.logs import JsonLines, event, forgotten_error


def _line(record: logging.LogRecord) -> dict[str, object]:
    text = JsonLines().format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def test_an_event_is_one_object_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    event("credentials applied", level=logging.WARNING, kind="database")
    line = _line(caplog.records[-1])
    assert line["event"] == "credentials applied"
    assert line["kind"] == "database"
    assert line["level"] == "warning"
    assert str(line["time"]).endswith("+00:00")


def test_an_exception_is_named_and_located_but_not_quoted() -> None:
    try:
        int("hunter2")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, error.__traceback__)
        )
    line = _line(record)
    assert line["error"] == "ValueError"
    assert __file__ in str(line["at"])
    assert "hunter2" not in json.dumps(line)


async def test_a_forgotten_error_is_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("hunter2")
    forgotten_error(
        asyncio.get_running_loop(), {"message": "Task exception was never retrieved", "exception": error}
    )
    assert _line(caplog.records[-1])["error"] == "ValueError"
    assert "hunter2" not in caplog.text
