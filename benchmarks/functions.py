"""How long a Lambda function takes beyond its own work, in the embedded environment."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from benchmarks.figures import Figure
from deployer.eventually import eventually
from environments.embedded.environment import EmbeddedEnvironment

_SOURCE = "import boto3\n\ndef handler(event, context):\n    return event\n"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}
_WARM = 50
_MILLISECONDS = 1000


def measure(rounds: int) -> Iterator[Figure]:
    """Measure cold starts and warm invocations in the environment that runs.

    The function imports boto3, as all that use AWS do, and returns what it is given.

    Args:
        rounds: How many functions are started cold.
    """
    environment = EmbeddedEnvironment()
    if not environment.attach():
        raise RuntimeError("no environment runs")
    functions, name = environment.aws("lambda"), f"benchmark-{uuid4().hex[:8]}"
    role = environment.aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
    cold, warm = [], []
    for number in range(rounds):
        function = f"{name}-{number}"
        _create(functions, function, role["Role"]["Arn"])
        cold.append(_seconds(functions, function))
        warm += [_seconds(functions, function) * _MILLISECONDS for _ in range(_WARM)]
        functions.delete_function(FunctionName=function)
    yield Figure("function, cold invocation", "s", cold, wanted=1)
    yield Figure("function, warm invocation", "ms", warm, wanted=20)


def _create(functions: Any, name: str, role: str) -> None:  # noqa: ANN401  boto3 client
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("main.py", _SOURCE)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="main.handler",
        Role=role,
        Code={"ZipFile": package.getvalue()},
        MemorySize=256,
        Timeout=30,
    )

    def pending() -> str | None:
        state = functions.get_function(FunctionName=name)["Configuration"]["State"]
        return None if state == "Active" else str(state)

    eventually(pending, subject=f"function {name}", deadline=30, remedy="See LocalStack's log.")


def _seconds(functions: Any, name: str) -> float:  # noqa: ANN401  boto3 client
    began = time.perf_counter()
    answer = functions.invoke(FunctionName=name, Payload=b'{"number": 1}')
    seconds = time.perf_counter() - began
    if answer.get("FunctionError"):
        raise RuntimeError(answer["Payload"].read().decode())
    return seconds
