"""Faults of AWS' stand-in, set and cleared while it runs."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deployer.errors import NotReadyError
from environments.embedded.aws.plugins.mita_localstack.faults import (
    ActiveFault,
    Delay,
    Fault,
    KeyState,
    Refuse,
    Reset,
)

__all__ = ["ActiveFault", "AwsFaults", "Delay", "Fault", "KeyState", "Refuse", "Reset"]

_TIMEOUT = 10.0


class AwsFaults:
    """Sets faults, and holds them: they are cleared when this object is closed or its process ends.

    Args:
        path: The run's socket for faults.

    Raises:
        NotReadyError: Nobody serves the socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TIMEOUT)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise self._not_ready(str(error)) from error
        self._answers = self._socket.makefile("rb")

    def add(self, fault: Fault) -> str:
        """Set a fault.

        Returns:
            The id by which `remove` clears it.

        Raises:
            NotReadyError: The server has ended.
        """
        return str(self._ask(ask="add", fault=fault.model_dump())["id"])

    def remove(self, fault_id: str) -> bool:
        """Clear a fault, whoever set it; False when there is none of that id.

        Raises:
            NotReadyError: The server has ended.
        """
        return bool(self._ask(ask="remove", id=fault_id)["removed"])

    def active(self) -> list[ActiveFault]:
        """Return all faults that are set, by whomever.

        Raises:
            NotReadyError: The server has ended.
        """
        return [ActiveFault.model_validate(each) for each in self._ask(ask="list")["faults"]]

    def close(self) -> None:
        """Clear the faults that were set by this object."""
        self._answers.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, **request: object) -> dict[str, Any]:
        try:
            with self._lock:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
                line = self._answers.readline()
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            raise self._not_ready(f"{type(error).__name__}: {error}") from error
        if "error" in answer:
            raise self._not_ready(str(answer["error"]))
        return answer

    def _not_ready(self, seen: str) -> NotReadyError:
        return NotReadyError(
            f"faults of AWS at {self._path}",
            expected="LocalStack to take them",
            seen=seen,
            remedy="Start the environment (mita up); its log says why LocalStack ended.",
        )
