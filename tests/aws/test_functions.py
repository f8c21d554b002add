"""Functions run as processes, and fail as on AWS."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from botocore.exceptions import BotoCoreError, ClientError

from deployer.eventually import eventually
from environments.embedded.aws import ACCOUNT, REGION
from environments.embedded.aws import localstack as localstack_module
from environments.embedded.aws.installation import PLUGINS
from environments.embedded.processes.sweep import stragglers
from tests.aws.cloud import Cloud, allow, policy, running, unique
from tests.aws.functions import BY_LAMBDA, Function, function

pytestmark = pytest.mark.embedded

MANIFOLD = """
    import ctypes, json, os, sys, time
    import boto3

    print("loaded")
    served = 0

    def handler(event, context):
        global served
        served += 1
        do = event["do"]
        if do == "raise":
            raise ValueError("as it was told")
        if do == "exit":
            os._exit(event["code"])
        if do == "crash":
            ctypes.string_at(0)
        if do == "sleep":
            time.sleep(event["seconds"])
        if do == "grow":
            held = b"1" * (event["megabytes"] << 20)
        if do == "fork":
            if not (child := os.fork()):
                time.sleep(600)
            return child
        if do == "answer":
            return "x" * event["bytes"]
        if do == "print":
            print(event["text"])
            sys.stderr.write("on standard error, unfinished")
        if do == "secret":
            return boto3.client("secretsmanager").get_secret_value(SecretId=event["id"])["SecretString"]
        if do == "who":
            return boto3.client("sts").get_caller_identity()["Arn"]
        return {
            "pid": os.getpid(), "served": served, "event": event, "variables": dict(os.environ),
            "arn": context.invoked_function_arn, "request": context.aws_request_id,
            "left": context.get_remaining_time_in_millis(), "group": context.log_group_name,
        }
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.fixture(scope="module")
def shared(cloud: Cloud) -> Function:
    return function(
        cloud, MANIFOLD, Environment={"Variables": {"GREETING": "hello", "HOME": "elsewhere"}}, Timeout=2
    )


def ends(pid: int) -> None:
    def alive() -> str | None:
        return "it lives" if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" else None

    eventually(alive, subject=f"process {pid}", deadline=10, remedy="See who keeps it.")


# ---- what a function gets and gives


def test_the_handlers_result_is_the_answer(shared: Function) -> None:
    event = {"do": "tell", "text": "für", "list": [1, None, 2.5]}

    answer = shared.invoke(event)

    assert answer.error is None
    assert answer.payload["event"] == event
    assert answer.payload["arn"] == shared.arn
    assert 1000 < answer.payload["left"] <= 2000
    assert answer.payload["group"] == f"/aws/lambda/{shared.name}"


def test_its_environment_is_the_functions_and_lambdas(cloud: Cloud, shared: Function) -> None:
    variables = shared.invoke({"do": "tell"}).payload["variables"]

    expected = {
        "GREETING": "hello",
        "HOME": "elsewhere",
        "AWS_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_NAME": shared.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_ENDPOINT_URL": cloud.endpoint.url,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "_HANDLER": "main.handler",
    }
    assert expected.items() <= variables.items()
    assert not [name for name in variables if "LOCALSTACK" in name]
    # Whatever LocalStack's process has is none of the function's.
    assert "MITA_AWS_SETTINGS" not in variables
    assert "FILESYSTEM_ROOT" not in variables


def test_large_payloads_go_both_ways(shared: Function) -> None:
    text = "x" * 5_000_000
    assert shared.invoke({"do": "tell", "text": text}).payload["event"]["text"] == text
    assert len(shared.invoke({"do": "answer", "bytes": 6_000_000}).payload) == 6_000_000

    refused = shared.invoke({"do": "answer", "bytes": 6_300_000})

    assert refused.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert shared.invoke({"do": "tell"}).error is None


def test_a_package_brings_what_it_imports_and_localstacks_packages_are_not_there(cloud: Cloud) -> None:
    lonely = function(cloud, "import moto\ndef handler(event, context): pass")

    answer = lonely.invoke()

    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ImportModuleError"
    assert answer.payload["errorMessage"] == "Unable to import module 'main': No module named 'moto'"


def test_another_language_is_refused_by_name(cloud: Cloud) -> None:
    client, name = cloud.client("lambda"), unique("function")
    client.create_function(
        FunctionName=name,
        Runtime="nodejs22.x",
        Handler="main.handler",
        Role=cloud.role(trust=BY_LAMBDA),
        Code={"ZipFile": b"PK\x05\x06" + b"\0" * 18},
    )

    def undecided() -> str | None:
        state = client.get_function(FunctionName=name)["Configuration"]
        reason = str(state.get("StateReason"))
        return None if "functions of Python only" in reason else f"{state['State']}, {reason}"

    eventually(undecided, subject=name, deadline=10, remedy="See LocalStack's log.")


# ---- failures


def test_an_error_of_the_handler_is_told_with_its_trace(shared: Function) -> None:
    answer = shared.invoke({"do": "raise"})

    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "ValueError"
    assert answer.payload["errorMessage"] == "as it was told"
    assert re.fullmatch(
        r'  File ".*/main.py", line \d+, in handler\n    raise ValueError\("as it was told"\)\n',
        answer.payload["stackTrace"][0],
    )
    assert "[ERROR] ValueError: as it was told\nTraceback" in answer.log


def test_an_error_outside_the_handler_is_told_each_time(cloud: Cloud) -> None:
    broken = function(cloud, "raise KeyError('absent')")

    for _ in range(2):
        answer = broken.invoke()
        assert answer.error == "Unhandled"
        assert answer.payload["errorType"] == "KeyError"
        assert answer.payload["errorMessage"] == "'absent'"
        assert "Init Duration" in answer.log
        assert "Error Type: KeyError" in answer.log


def test_a_function_is_killed_at_its_time(shared: Function) -> None:
    pid = shared.invoke({"do": "tell"}).payload["pid"]
    began = time.monotonic()

    answer = shared.invoke({"do": "sleep", "seconds": 60})

    assert 2 <= time.monotonic() - began < 6
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert "Error: Task timed out after 2.00 seconds" in answer.payload["errorMessage"]
    assert "Task timed out after 2.00 seconds" in answer.log
    assert "Status: timeout" in answer.log
    ends(pid)
    assert shared.invoke({"do": "tell"}).payload["served"] == 1


def test_a_function_is_killed_at_its_memory(shared: Function) -> None:
    assert shared.invoke({"do": "grow", "megabytes": 120}).error is None

    answer = shared.invoke({"do": "grow", "megabytes": 400})

    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.OutOfMemory"
    assert "Runtime exited with error: signal: killed" in answer.payload["errorMessage"]
    assert "Max Memory Used: 256 MB" in answer.log
    assert shared.invoke({"do": "tell"}).payload["served"] == 1


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"do": "exit", "code": 0}, "Runtime exited without providing a reason"),
        ({"do": "exit", "code": 3}, "Runtime exited with error: exit status 3"),
        ({"do": "crash"}, "Runtime exited with error: signal: segmentation fault"),
    ],
    ids=["exit 0", "exit 3", "segmentation fault"],
)
def test_a_process_that_ends_is_noticed_at_once(
    shared: Function, event: dict[str, object], words: str
) -> None:
    shared.invoke({"do": "tell"})
    began = time.monotonic()

    answer = shared.invoke(event)

    assert time.monotonic() - began < 1
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == "Runtime.ExitError"
    assert answer.payload["errorMessage"].endswith(f"Error: {words}")
    assert shared.invoke({"do": "tell"}).payload["served"] == 1


def test_a_process_that_died_between_two_invocations_is_replaced(shared: Function) -> None:
    pid = shared.invoke({"do": "tell"}).payload["pid"]
    psutil.Process(pid).kill()
    ends(pid)

    assert shared.invoke({"do": "tell"}).error is None


# ---- processes


def test_a_process_serves_again_and_a_busy_one_gets_company(shared: Function) -> None:
    first = shared.invoke({"do": "tell"}).payload
    second = shared.invoke({"do": "tell"}).payload
    assert (second["pid"], second["served"]) == (first["pid"], first["served"] + 1)

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(shared.invoke, [{"do": "sleep", "seconds": 1}] * 3))

    assert len({answer.payload["pid"] for answer in answers}) == 3


def test_what_a_function_starts_ends_with_it(shared: Function) -> None:
    child = shared.invoke({"do": "fork"}).payload

    shared.invoke({"do": "exit", "code": 1})

    ends(child)


async def test_nothing_is_left_when_localstack_is_killed() -> None:
    async with running() as cloud:
        made = await asyncio.to_thread(function, cloud, MANIFOLD, Timeout=60)
        idle = (await asyncio.to_thread(made.invoke, {"do": "tell"})).payload["pid"]
        busy = asyncio.create_task(asyncio.to_thread(made.invoke, {"do": "sleep", "seconds": 50}))
        other = await asyncio.to_thread(function, cloud, MANIFOLD)
        second = (await asyncio.to_thread(other.invoke, {"do": "tell"})).payload["pid"]
        localstack = cloud.site.supervisor.processes["localstack"]
        assert {idle, second} <= {each.pid for each in stragglers(cloud.site.run.run_id)}

        await localstack.kill()

        with pytest.raises(BotoCoreError):
            await busy
        for pid in (idle, second):
            await asyncio.to_thread(ends, pid)
        assert stragglers(cloud.site.run.run_id) == []


async def test_nothing_is_left_when_localstack_is_stopped() -> None:
    async with running() as cloud:
        made = await asyncio.to_thread(function, cloud, MANIFOLD)
        pid = (await asyncio.to_thread(made.invoke, {"do": "tell"})).payload["pid"]
        child = (await asyncio.to_thread(made.invoke, {"do": "fork"})).payload

        await cloud.site.supervisor.stop("localstack")

        for each in (pid, child):
            await asyncio.to_thread(ends, each)


async def test_an_idle_process_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localstack_module, "IDLE_SECONDS", 1)
    async with running() as cloud:
        made = await asyncio.to_thread(function, cloud, MANIFOLD)
        pid = (await asyncio.to_thread(made.invoke, {"do": "tell"})).payload["pid"]

        await asyncio.to_thread(ends, pid)

        assert (await asyncio.to_thread(made.invoke, {"do": "tell"})).payload["served"] == 1


# ---- logs and permissions


def messages(cloud: Cloud, name: str, last: str) -> list[str]:
    """Return a function's events, once the last one is there."""
    logs, found = cloud.client("logs"), list[str]()

    def missing() -> str | None:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return "no log group"
        found[:] = [event["message"] for event in events]
        return None if any(last in message for message in found) else f"{len(found)} events"

    eventually(missing, subject=f"log of {name}", deadline=10, remedy="See LocalStack's log.")
    return found


def test_a_log_has_what_lambda_and_the_function_wrote(cloud: Cloud) -> None:
    writer = function(cloud, MANIFOLD)

    answer = writer.invoke({"do": "print", "text": "one\n\ntwo"})

    request = answer.payload["request"]
    written = messages(cloud, writer.name, "REPORT")
    assert written[:-1] == [
        "loaded",
        f"START RequestId: {request} Version: $LATEST",
        "one",
        "two",
        "on standard error, unfinished",
        f"END RequestId: {request}",
    ]
    assert re.fullmatch(
        rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB"
        r"\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms",
        written[-1],
    )
    assert answer.log == "\n".join(written) + "\n"


def test_a_role_that_may_not_write_logs_has_none(cloud: Cloud) -> None:
    role = cloud.role(trust=BY_LAMBDA)
    silent = function(cloud, MANIFOLD, Role=role)

    assert silent.invoke({"do": "tell"}).error is None

    def unrefused() -> str | None:
        refused = [
            each
            for each in cloud.records()
            if each["eventSource"] == "logs.amazonaws.com" and silent.name in str(each["requestParameters"])
        ]
        return None if refused and refused[0]["errorCode"] == "AccessDeniedException" else f"{refused}"

    eventually(unrefused, subject="the trail", deadline=10, remedy="See LocalStack's log.")
    groups = cloud.client("logs").describe_log_groups()["logGroups"]
    assert f"/aws/lambda/{silent.name}" not in [group["logGroupName"] for group in groups]


def test_a_function_may_what_its_role_may(cloud: Cloud) -> None:
    secrets = cloud.client("secretsmanager")
    mine, other = (
        secrets.create_secret(Name=unique("secret"), SecretString=text)["ARN"]
        for text in ("mine", "not mine")
    )
    role = cloud.role(allow("secretsmanager:GetSecretValue", mine), trust=BY_LAMBDA)
    reader = function(cloud, MANIFOLD, Role=role)

    assert reader.invoke({"do": "secret", "id": mine}).payload == "mine"
    refused = reader.invoke({"do": "secret", "id": other})

    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{reader.name}"
    assert refused.error == "Unhandled"
    assert f"User: {session} is not authorized" in refused.payload["errorMessage"]
    assert "not mine" not in str(refused)
    assert reader.invoke({"do": "who"}).payload == session
    reads = [each for each in cloud.records() if each["eventName"] == "GetSecretValue"]
    assert {each["userIdentity"]["arn"] for each in reads} == {session}
    assert [each.get("errorCode") for each in reads] == [None, "AccessDeniedException"]


def test_a_role_that_trusts_lambda_no_longer_runs_nothing(cloud: Cloud) -> None:
    role = cloud.role(trust=BY_LAMBDA)
    distrusted = function(cloud, MANIFOLD, Role=role)
    trust = {**BY_LAMBDA, "Principal": {"Service": "ec2.amazonaws.com"}}
    cloud.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=policy(trust)
    )

    with pytest.raises(
        ClientError, match=r"lambda\.amazonaws\.com is not authorized to perform sts:AssumeRole"
    ):
        distrusted.invoke({"do": "tell"})


async def test_without_the_guards_decisions_a_function_may_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_door = shutil.copytree(PLUGINS, tmp_path / "plugins")
    guard = open_door / "mita_localstack" / "guard.py"
    decides = (
        "            decision = authorization.decide(permission)\n            if not decision.allowed:\n"
    )
    assert decides in guard.read_text()
    guard.write_text(guard.read_text().replace(decides, decides.replace("not decision.allowed", "False")))
    monkeypatch.setattr(localstack_module, "PLUGINS", open_door)

    async with running() as cloud:
        secret = cloud.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="other")
        reader = await asyncio.to_thread(function, cloud, MANIFOLD, Role=cloud.role(trust=BY_LAMBDA))
        answer = await asyncio.to_thread(reader.invoke, {"do": "secret", "id": secret["ARN"]})

    assert answer.payload == "other"
