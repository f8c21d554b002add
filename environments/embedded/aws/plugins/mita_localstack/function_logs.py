"""What a function writes, on its way to CloudWatch Logs under the function's own role."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.connect import connect_to

LOG = logging.getLogger(__name__)

# Limits of PutLogEvents, with room for what it counts besides.
_LONGEST_EVENT = 250_000
_LARGEST_BATCH = 900_000
_MOST_EVENTS = 9_000
_PER_EVENT = 26
_END_SECONDS = 5.0
# Invocations in a row share a call, and need not wait for each other's.
_GATHER_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Line:
    time: int
    text: str

    @property
    def size(self) -> int:
        return len(self.text.encode()) + _PER_EVENT


class FunctionLog:
    """The log stream of one function's environment.

    Lines are written in the background, with the credentials of the function's role: one that
    may not write its log has none, as on AWS.

    Args:
        environment: The function's environment variables, with its credentials.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._group = environment["AWS_LAMBDA_LOG_GROUP_NAME"]
        self._stream = environment["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._environment = environment
        self._lock = threading.Lock()
        self._rest = b""
        self._invocation: list[str] = []
        self._lines: queue.SimpleQueue[_Line | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._run, name="function-log", daemon=True)
        self._writer.start()

    def written(self, chunk: bytes) -> None:
        """Take output as it comes; a line counts when it is whole."""
        with self._lock:
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                # The runtime's mark for the lines of one event, such as an error with its trace.
                self._add(line.decode(errors="replace").replace("\r", "\n"))

    def say(self, text: str) -> None:
        """Add lines of Lambda's own, after whatever the function has left unfinished."""
        with self._lock:
            rest, self._rest = self._rest, b""
            if rest:
                self._add(rest.decode(errors="replace"))
            for line in text.split("\n"):
                self._add(line)

    def _add(self, line: str) -> None:
        # CloudWatch Logs takes no empty events.
        if line.strip():
            self._invocation.append(line)
            self._lines.put(_Line(int(time.time() * 1000), line[:_LONGEST_EVENT]))

    def of_invocation(self) -> str:
        """Return the lines since this was last asked."""
        with self._lock:
            lines, self._invocation = self._invocation, []
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        """Write what is left."""
        self._lines.put(None)
        self._writer.join(_END_SECONDS)

    def _run(self) -> None:
        client: Any = None
        ended = False
        while not ended:
            batch, ended = self._batch()
            if not batch:
                continue
            try:
                if client is None:
                    client = self._connect()
                self._put(client, batch)
            except (ClientError, BotoCoreError) as error:
                LOG.warning("A log of %s is lost: %s", self._group, error)

    def _batch(self) -> tuple[list[_Line], bool]:
        """Wait for a line, and take those that come soon after it."""
        batch: list[_Line] = []
        size = 0
        line = self._lines.get()
        until = time.monotonic() + _GATHER_SECONDS
        while line is not None:
            batch.append(line)
            size += line.size
            if size > _LARGEST_BATCH - _LONGEST_EVENT or len(batch) == _MOST_EVENTS:
                return batch, False
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return batch, False
        return batch, True

    def _connect(self) -> Any:  # noqa: ANN401  boto3 client
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        access_key, secret_key, token = (self._environment[name] for name in names)
        client = connect_to(
            region_name=self._environment["AWS_REGION"],
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
        ).logs
        stream = {"logGroupName": self._group, "logStreamName": self._stream}
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            try:
                client.create_log_stream(**stream)
            except client.exceptions.ResourceNotFoundException:
                client.create_log_group(logGroupName=self._group)
                client.create_log_stream(**stream)
        return client

    def _put(self, client: Any, batch: Sequence[_Line]) -> None:  # noqa: ANN401  boto3 client
        client.put_log_events(
            logGroupName=self._group,
            logStreamName=self._stream,
            logEvents=[{"timestamp": line.time, "message": line.text} for line in batch],
        )
