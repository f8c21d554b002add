"""Functions of Lambda for tests: made, invoked, and looked after."""

from __future__ import annotations

import base64
import io
import json
import textwrap
import zipfile
from dataclasses import dataclass
from typing import Any

from deployer.eventually import eventually
from tests.aws.cloud import Client, Cloud, Json, allow, unique

LOGS = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])
BY_LAMBDA = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


@dataclass(frozen=True)
class Answer:
    """What an invocation came to."""

    error: str | None
    payload: Any
    log: str


@dataclass(frozen=True)
class Function:
    """A function that can be invoked."""

    name: str
    arn: str
    client: Client

    def invoke(self, event: Any = None) -> Answer:  # noqa: ANN401  JSON
        """Invoke it and wait for its answer."""
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event), LogType="Tail")
        return Answer(
            answer.get("FunctionError"),
            json.loads(answer["Payload"].read()),
            base64.b64decode(answer["LogResult"]).decode(),
        )


def zipped(source: str) -> bytes:
    """Return a package with one module, ``main``."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("main.py", textwrap.dedent(source))
    return package.getvalue()


def function(cloud: Cloud, source: str, *statements: Json, **settings: Any) -> Function:  # noqa: ANN401  of CreateFunction
    """Make a function whose handler is ``main.handler``, with a role of its own.

    Args:
        cloud: Where.
        source: Text of its module.
        statements: What its role may do besides writing its log.
        settings: Further ones of CreateFunction.
    """
    client, name = cloud.client("lambda"), unique("function")
    role = settings.pop("Role", None) or cloud.role(LOGS, *statements, trust=BY_LAMBDA)
    made = client.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="main.handler",
        Role=role,
        Code={"ZipFile": zipped(source)},
        **{"Timeout": 10, "MemorySize": 256, **settings},
    )

    def unready() -> str | None:
        state = client.get_function(FunctionName=name)["Configuration"]
        return None if state["State"] == "Active" else f"{state['State']}: {state.get('StateReason')}"

    eventually(unready, subject=f"function {name}", deadline=20, remedy="See LocalStack's log.")
    return Function(name, made["FunctionArn"], client)
