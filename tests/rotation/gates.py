"""Clients of the servers that let a run stop, fail or die at each call, and keep what was sent."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from botocore.exceptions import ClientError
from pg8000.exceptions import InterfaceError
from pg8000.native import Connection

from tests.rotation.runs import Run

SET_CREDENTIAL = ("ALTER ROLE", "ACL SETUSER")


class Sent:
    """What the functions sent to the servers; a login itself is not among it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def credential_was_set(self) -> bool:
        """Tell whether a credential was set since the last time, and forget it."""
        was_set = any(each.startswith(SET_CREDENTIAL) for each in self.texts)
        self.texts.clear()
        return was_set


def install(patch: pytest.MonkeyPatch) -> Sent:
    """Put gates around the functions' connections."""
    sent = Sent()

    class GatedConnection(Connection):  # type: ignore[misc]  # published without types
        def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  the original's
            Run.gate("before login to PostgreSQL")
            super().__init__(*arguments, **options)
            try:
                Run.gate("after login to PostgreSQL")
            except BaseException:
                self.close()
                raise

        def run(self, sql: str, **options: Any) -> Any:  # noqa: ANN401  the original's
            Run.gate(f"before PostgreSQL's {sql[:20]}")
            answer = super().run(sql, **options)
            sent.texts.append(f"{sql} {options}")
            Run.gate(f"after PostgreSQL's {sql[:20]}")
            return answer

    class GatedRedis(redis.Redis):
        def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  the original's
            Run.gate(f"before Redis' {arguments[0]}")
            execute: Any = super().execute_command
            answer = execute(*arguments, **options)
            sent.texts.append(" ".join(str(each) for each in arguments))
            Run.gate(f"after Redis' {arguments[0]}")
            return answer

    patch.setattr("database_rotation.Connection", GatedConnection)
    patch.setattr("redis_rotation.Redis", GatedRedis)
    return sent


def failure(place: str) -> Exception:
    """Return the error that a client raises when its call fails at a place."""
    if "PostgreSQL" in place:
        error: Exception = InterfaceError("network error")
        return error
    if "Redis" in place:
        return redis.ConnectionError("connection reset")
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, place)
