"""The last line: every HTTP request of this process, by whatever library, just before it is sent.

Python tells audit hooks of each block that http.client is about to send, and botocore, urllib3,
requests and the kubernetes client all send through it.  A hook that raises keeps the block back.
"""

from __future__ import annotations

import http.client
import re
import sys
from typing import Any

from environments.guard.guard import Guard

_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")
_armed: list[Guard] = []
_hooked: list[bool] = []


def arm(guard: Guard) -> None:
    """Have a guard judge what this process sends, until it is disarmed."""
    if not _hooked:
        sys.addaudithook(_heard)  # for good: a hook cannot be taken away again, only left with nothing to do
        _hooked.append(True)
    if guard not in _armed:
        _armed.append(guard)


def disarm(guard: Guard) -> None:
    """Let what this process sends pass again."""
    if guard in _armed:
        _armed.remove(guard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "http.client.send" or not _armed:
        return
    connection, data = arguments
    found = _REQUEST_LINE.match(data) if isinstance(data, bytes | bytearray) else None
    if found is not None and isinstance(connection, http.client.HTTPConnection):
        method, target = found[1].decode(), found[2].decode(errors="replace")
        for guard in tuple(_armed):
            guard.http(method, connection.host, connection.port, target)
