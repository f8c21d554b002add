"""Functions of Lambda as local processes: LocalStack's executor for ``LAMBDA_RUNTIME_EXECUTOR=process``."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localstack import config
from localstack.services.lambda_.invocation import version_manager
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from . import function_reports as reports
from .function_invocation import Invocation
from .function_logs import FunctionLog
from .function_process import FunctionProcess
from .function_reports import Failure
from .runtime_api import Answered, Work
from .settings import Settings

_RUNTIME = "python"
# LocalStack's own variables, which mean nothing to a function.
_NOT_FOR_FUNCTIONS = ("LOCALSTACK_", "EDGE_PORT", "_AWS_XRAY", "AWS_XRAY_DAEMON")
# By which what a function has started is known to belong to this run.
_RUN_VARIABLE = "MITA_RUN"


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc]  # LocalStack has no type information
    """One environment of a function: a process that serves one invocation after the other.

    A process that fails, or is ended at the limit of its time or memory, is replaced at the next
    invocation; the environment, with its log stream and its credentials, stays.
    """

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002  LocalStack's name
        super().__init__(id, function_version)
        self._settings = function_version.config
        self._code = Path(function_version.config.code.get_unzipped_code_location())
        self._scratch = Path(tempfile.mkdtemp(prefix="function-"))
        self._variables: dict[str, str] = {}
        self._log: FunctionLog | None = None
        self._lock = threading.Lock()
        self._process: FunctionProcess | None = None
        self._began: float | None = None
        self._stopped = False

    # ---- what LocalStack asks

    def start(self, env_vars: Mapping[str, Any]) -> None:
        """Begin the process; its first invocation waits until it is ready.

        Raises:
            OSError: It cannot be begun.
        """
        own = self._settings.environment or {}
        self._variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TMPDIR": str(self._scratch),
            # Some of LocalStack's values are numbers.
            **{
                name: str(value)
                for name, value in env_vars.items()
                if name in own or not name.startswith(_NOT_FOR_FUNCTIONS)
            },
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self._settings.runtime}",
            "LAMBDA_TASK_ROOT": str(self._code),
            "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
        }
        if run := os.environ.get(_RUN_VARIABLE):
            self._variables[_RUN_VARIABLE] = run
        self._log = FunctionLog(self._variables)
        self._begin(self._log)

    def stop(self) -> None:
        """End the process, and write what is left of its log."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            process.kill()
            process.ended.wait()
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def invoke(self, payload: Mapping[str, str]) -> InvocationResult:
        """Have an invocation served, by a new process where the last one has ended."""
        log = self._log
        if log is None:
            raise RuntimeError("an environment is invoked before it is started")
        process = self._process
        if process is None or process.ended.is_set():
            process = self._begin(log)
        work = Work(
            payload["invoke-id"],
            payload["payload"].encode(),
            {
                "Lambda-Runtime-Aws-Request-Id": payload["invoke-id"],
                "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
                "Lambda-Runtime-Trace-Id": payload["trace-id"],
            },
        )
        memory = self._settings.memory_size
        invocation = Invocation(process, work, seconds=self._settings.timeout, memory=memory)
        init_seconds = None
        if self._began is not None:
            # What it writes meanwhile comes before the invocation's first line, as on AWS.
            invocation.begin()
            init_seconds, self._began = time.perf_counter() - self._began, None
            process.drain()
        log.say(reports.started(work.request, self.function_version.id.qualifier))
        started = time.perf_counter()
        outcome = invocation.serve()
        seconds = time.perf_counter() - started
        process.drain()
        failure = outcome if isinstance(outcome, Failure) else None
        log.say(failure.line if failure else "")
        report = reports.ended(
            work.request,
            seconds=seconds,
            memory_size=memory,
            memory_used=min(process.peak(), memory),
            init_seconds=init_seconds,
            failure=failure.kind if failure else None,
        )
        log.say(report)
        return InvocationResult(
            request_id=work.request,
            payload=outcome.payload,
            is_error=not (isinstance(outcome, Answered) and not outcome.is_error),
            logs=log.of_invocation(),
        )

    def _begin(self, log: FunctionLog) -> FunctionProcess:
        with self._lock:
            if self._stopped:
                raise RuntimeError("this environment has been stopped")
            self._began = time.perf_counter()
            self._process = FunctionProcess(
                interpreter(),
                self._settings.handler,
                self._variables,
                directory=self._code,
                host=self.get_endpoint_from_executor(),
                written=log.written,
            )
            return self._process

    def get_logs(self) -> str:
        """Return nothing: what a function wrote is in its log group."""
        return ""

    def get_address(self) -> str:
        """Return where the function's process runs."""
        return self.get_endpoint_from_executor()

    def get_endpoint_from_executor(self) -> str:
        """Return where a function reaches AWS' stand-in."""
        return str(config.GATEWAY_LISTEN[0].host)

    def get_runtime_endpoint(self) -> str:
        """Return nothing: each process has a Runtime API of its own."""
        return ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack a function's code.

        Raises:
            ValueError: The function is none of Python.
            LookupError: There is no interpreter for functions.
        """
        settings = function_version.config
        if settings.code is None or not str(settings.runtime).startswith(_RUNTIME):
            raise ValueError(f"{settings.runtime}: this environment runs functions of Python only")
        interpreter()
        settings.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Do nothing: LocalStack removes the code."""


@functools.cache
def interpreter() -> Path:
    """Return the functions' Python.

    Raises:
        LookupError: The settings name none.
    """
    settings = Settings.given()
    if settings is None or settings.function_python is None:
        raise LookupError("no function_python in the settings of MITA_AWS_SETTINGS")
    return settings.function_python


class NoLogHandler:
    """Stands for LocalStack's log handler, which needs more permissions than AWS' does."""

    def __init__(self, role_arn: str, region: str) -> None:
        del role_arn, region

    def start_subscriber(self) -> None:
        """Do nothing."""

    def add_logs(self, log_item: object) -> None:
        """Do nothing: the executor has written it."""

    def stop(self) -> None:
        """Do nothing."""


class ProcessExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]  # as above
    """Gives LocalStack the executor."""

    name = "process"

    def load(self, *_args: object, **_kwargs: object) -> type[ProcessExecutor]:
        """Return the executor, which writes the functions' logs itself."""
        version_manager.LogHandler = NoLogHandler
        return ProcessExecutor
