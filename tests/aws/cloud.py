"""AWS' stand-in for a whole module of tests, and how its different callers reach it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer.kinds.identity_provider import issuer_host, provider_arn, thumbprint
from deployer.progress import silent
from environments.embedded.aws import (
    ACCOUNT,
    FAULTS,
    REGION,
    TRAIL,
    AwsEndpoint,
    AwsFaults,
    ensure_localstack,
    introduce_cluster,
    start_localstack,
)
from environments.embedded.network import Network
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site
from tests.aws.issuer import AUDIENCE, SUBJECT, Issuer, serving
from tests.environments.ground import NUMBERS

type Json = dict[str, Any]
type Client = Any
"""boto3 makes clients at run time; they have no common type."""


@dataclass(frozen=True)
class Cloud:
    """A running LocalStack with the cluster that it trusts."""

    site: Site
    endpoint: AwsEndpoint
    issuer: Issuer

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Client:
        """Make a client with credentials as STS gives them; without, the administrator's."""
        keys = credentials or {
            "AccessKeyId": self.endpoint.access_key,
            "SecretAccessKey": self.endpoint.secret_key.get_secret_value(),
        }
        return boto3.client(
            service,  # type: ignore[call-overload]  # any of the services
            endpoint_url=self.endpoint.url,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def anonymous(self, service: str) -> Client:
        """Make a client that signs nothing."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # any of the services
            endpoint_url=self.endpoint.url,
            region_name=REGION,
            config=Config(
                retries={"total_max_attempts": 1},
                proxies={},
                signature_version=UNSIGNED,
                parameter_validation=False,  # what is malformed is for the server to refuse
            ),
        )

    def provider(self) -> str:
        """Make the cluster's issuer known to IAM, once."""
        with contextlib.suppress(ClientError):
            self.client("iam").create_open_id_connect_provider(
                Url=self.issuer.url,
                ClientIDList=[AUDIENCE],
                ThumbprintList=[thumbprint(self.issuer.certificate)],
            )
        return provider_arn(ACCOUNT, self.issuer.url)

    def web_role(self, *statements: Json, name: str = "", subject: str = SUBJECT) -> str:
        """Make a role that tokens of one service account open, and return its ARN."""
        host = issuer_host(self.issuer.url)
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": self.provider()},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:aud": AUDIENCE, f"{host}:sub": subject}},
        }
        return self.role(*statements, trust=trust, name=name)

    def role(self, *statements: Json, trust: Json, name: str = "", **settings: Any) -> str:  # noqa: ANN401  of CreateRole
        """Make a role with an inline policy, and return its ARN."""
        iam, name = self.client("iam"), name or unique("role")
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust), **settings)
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy(*statements))
        return str(made["Role"]["Arn"])

    def session(self, role: str, token: str | None = None, **settings: Any) -> Json:  # noqa: ANN401  of the call
        """Open a role by a token, and return the session's credentials."""
        answer = self.anonymous("sts").assume_role_with_web_identity(
            RoleArn=role,
            RoleSessionName="session",
            WebIdentityToken=self.issuer.token() if token is None else token,
            **settings,
        )
        credentials: Json = answer["Credentials"]
        return credentials

    def user(self, *statements: Json) -> tuple[str, Json]:
        """Make a user with an inline policy; return ARN and credentials."""
        iam, name = self.client("iam"), unique("user")
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
        credentials: Json = iam.create_access_key(UserName=name)["AccessKey"]
        return arn, credentials

    def records(self) -> list[Json]:
        """Return the records of the audit trail."""
        lines = (self.site.run.root / TRAIL).read_text().splitlines()
        return [json.loads(line) for line in lines]

    def faults(self) -> AwsFaults:
        """Connect to the faults."""
        return AwsFaults(self.site.run.root / FAULTS)


def policy(*statements: Json) -> str:
    """Return a policy document as JSON text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | list[str], resources: str | list[str] = "*", **others: Any) -> Json:  # noqa: ANN401  JSON
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **others}


def deny(actions: str | list[str], resources: str | list[str] = "*", **others: Any) -> Json:  # noqa: ANN401  JSON
    """Return a statement that denies."""
    return allow(actions, resources, **others) | {"Effect": "Deny"}


def unique(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{uuid4().hex[:8]}"


@contextlib.contextmanager
def refused(code: str, message: str = "") -> Iterator[None]:
    """Expect AWS' error."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert message in error["Message"]


@contextlib.asynccontextmanager
async def running(supervisor: type[Supervisor] = Supervisor) -> AsyncIterator[Cloud]:
    """Run LocalStack with a cluster's issuer beside it."""
    with tempfile.TemporaryDirectory(prefix="mita-aws-") as state:
        before = os.environ.get("MITA_STATE")
        os.environ["MITA_STATE"] = state
        try:
            async with _running(supervisor) as cloud:
                yield cloud
        finally:
            os.environ.pop("MITA_STATE") if before is None else os.environ.update(MITA_STATE=before)


@contextlib.asynccontextmanager
async def _running(kind: type[Supervisor]) -> AsyncIterator[Cloud]:
    run = RunDirectory.claim("test", numbers=NUMBERS)
    supervisor = kind(run)
    tools = {"localstack": ensure_localstack(silent)}
    site = Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
    try:
        with serving(Path(run.directory("issuer")), run.network.loopback(Network.API_SERVER)) as issuer:
            endpoint = await start_localstack(site)
            introduce_cluster(run, issuer.cluster)
            yield Cloud(site, endpoint, issuer)
    finally:
        await supervisor.stop_all()
        run.release(remove=True)
