"""What the guard before AWS' stand-in costs: a read of a secret with it and without it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.figures import Figure
from deployer.progress import silent
from environments.embedded.aws import ACCOUNT, REGION, AwsEndpoint, ensure_localstack, start_localstack
from environments.embedded.aws.plugins.mita_localstack import settings
from environments.embedded.processes import Process, ProcessSpec, Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site

_WARM_UP = 200
_READS = 1000
_SECRET = "mita-finance/production/database-credentials"  # noqa: S105  its name
_PERCENT = 100.0
_HEADERS = {
    "X-Amz-Target": "secretsmanager.GetSecretValue",
    "Content-Type": "application/x-amz-json-1.1",
}


class _Unguarded(Supervisor):
    """Starts LocalStack in the same way but for its settings: without them no guard stands before it."""

    async def start(self, spec: ProcessSpec) -> Process:
        bare = {name: value for name, value in spec.environment.items() if name != settings.VARIABLE}
        return await super().start(dataclasses.replace(spec, environment=bare))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one secret again and again over one connection, as a role that may read it."""

    connection: http.client.HTTPConnection
    url: str
    body: bytes
    keys: Credentials
    server: psutil.Process

    def read(self) -> float:
        """Read once, and return the seconds until the answer was there.

        Raises:
            RuntimeError: The read was refused.
        """
        headers = self._signed()
        began = time.perf_counter()
        self.connection.request("POST", "/", body=self.body, headers=headers)
        answer = self.connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != http.client.OK:
            kind = json.loads(content).get("__type")
            raise RuntimeError(f"GetSecretValue was answered with {answer.status} {kind}")
        return seconds

    def _signed(self) -> dict[str, str]:
        request = AWSRequest("POST", self.url, headers=_HEADERS, data=self.body)
        SigV4Auth(self.keys, "secretsmanager", REGION).add_auth(request)
        return dict(request.headers.items())

    def processor(self) -> float:
        """Return the seconds that the server has computed so far."""
        times = self.server.cpu_times()
        return float(times.user + times.system)


def guard(state: Path, rounds: int) -> Iterator[Figure]:
    """Measure what the guard adds to a GetSecretValue.

    Both servers run side by side and are asked in turn, so that what else the machine does
    falls on both alike; the client is as lean as it can be, so that it hides nothing.

    Args:
        state: State directory for both.
        rounds: How often it is measured.
    """
    os.environ["MITA_STATE"] = str(state)
    yield from asyncio.run(_measured(rounds))


async def _measured(rounds: int) -> list[Figure]:
    async with _running("plain", _Unguarded) as plain, _running("guarded", Supervisor) as guarded:
        return await asyncio.to_thread(_compare, plain, guarded, rounds)


def _compare(plain: _Reader, guarded: _Reader, rounds: int) -> list[Figure]:
    for _ in range(_WARM_UP):
        plain.read(), guarded.read()
    added, without, with_it, computed = [], [], [], []
    for _ in range(rounds):
        before = plain.processor(), guarded.processor()
        pairs = [(plain.read(), guarded.read()) for _ in range(_READS)]
        used = plain.processor() - before[0], guarded.processor() - before[1]
        one, other = (statistics.median(each) for each in zip(*pairs, strict=True))
        without.append(one * 1000)
        with_it.append(other * 1000)
        added.append((other / one - 1) * _PERCENT)
        computed.append((used[1] / used[0] - 1) * _PERCENT)
    return [
        Figure("GetSecretValue, LocalStack alone", "ms", without),
        Figure("GetSecretValue, with the guard", "ms", with_it),
        Figure("the guard adds, of the time", "%", added, wanted=10),
        Figure("the guard adds, of the processor's time", "%", computed),
    ]


@contextlib.asynccontextmanager
async def _running(name: str, kind: type[Supervisor]) -> AsyncIterator[_Reader]:
    run = RunDirectory.claim(name)
    supervisor = kind(run)
    site = Site(
        run=run,
        network=run.network,
        supervisor=supervisor,
        tools={"localstack": await asyncio.to_thread(ensure_localstack, silent)},
    )
    try:
        endpoint = await start_localstack(site)
        server = psutil.Process(supervisor.processes["localstack"].pid)
        reader = await asyncio.to_thread(_prepared, endpoint, server)
        with contextlib.closing(reader.connection):
            yield reader
    finally:
        await supervisor.stop_all()
        run.release(remove=True)


def _prepared(endpoint: AwsEndpoint, server: psutil.Process) -> _Reader:
    """Make what production has: a secret with a key of its own, and a role that may read no more."""
    session: Any = boto3.Session(
        endpoint.access_key, endpoint.secret_key.get_secret_value(), region_name=REGION
    )
    secrets, kms, iam, sts = (
        session.client(name, endpoint_url=endpoint.url, config=Config(proxies={}))
        for name in ("secretsmanager", "kms", "iam", "sts")
    )
    key = kms.create_key()["KeyMetadata"]["Arn"]
    secrets.create_secret(
        Name=_SECRET,
        SecretString="{}",
        KmsKeyId=key,
        Tags=[{"Key": "Environment", "Value": "production"}, {"Key": "Compliance", "Value": "SOX"}],
    )
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=_policy(*_reading(key)))
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="benchmark")["Credentials"]
    body = json.dumps({"SecretId": _SECRET}).encode()
    keys = Credentials(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
    )
    address = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    return _Reader(connection, f"{endpoint.url}/", body, keys, server)


def _reading(key: str) -> list[dict[str, object]]:
    return [
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:mita-finance/production/*",
        },
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key,
            "Condition": {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
        },
    ]


def _policy(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
