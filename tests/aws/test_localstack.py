"""LocalStack answers on its own address, for the services that are wanted, and says when it cannot."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployer.errors import NotReadyError
from deployer.progress import silent
from environments.embedded.aws import ACCOUNT, AwsEndpoint, ensure_localstack, start_localstack
from environments.embedded.aws import localstack as localstack_module
from environments.embedded.aws.installation import PLUGINS
from environments.embedded.aws.plugins.mita_localstack.settings import VARIABLE
from environments.embedded.network import Network
from environments.embedded.site import Site
from tests.environments.ground import listeners

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="session")
def localstack() -> Path:
    return ensure_localstack(silent)


@pytest.fixture
def tools(localstack: Path) -> Mapping[str, Path]:
    return {"localstack": localstack}


def client(endpoint: AwsEndpoint, service: str) -> Any:  # noqa: ANN401  clients have no common type
    make: Any = boto3.client
    return make(
        service,
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key.get_secret_value(),
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_it_serves_the_account(site: Site) -> None:
    endpoint = await start_localstack(site)

    def calls() -> None:
        assert client(endpoint, "sts").get_caller_identity()["Account"] == ACCOUNT
        key = client(endpoint, "kms").create_key()["KeyMetadata"]
        assert key["Arn"].startswith(f"arn:aws:kms:{endpoint.region}:{ACCOUNT}:")
        secrets = client(endpoint, "secretsmanager")
        secrets.create_secret(Name="mita-finance/production/test", KmsKeyId=key["Arn"], SecretString="x")
        assert secrets.get_secret_value(SecretId="mita-finance/production/test")["SecretString"] == "x"
        assert client(endpoint, "iam").list_roles()["Roles"] == []
        with pytest.raises(ClientError, match="not enabled"):
            client(endpoint, "dynamodb").list_tables()

    await asyncio.to_thread(calls)


async def test_first_calls_at_the_same_time_are_all_answered(site: Site) -> None:
    endpoint = await start_localstack(site)
    first = {
        "secretsmanager": "list_secrets",
        "kms": "list_keys",
        "iam": "list_roles",
        "sts": "get_caller_identity",
        "lambda": "list_functions",
        "s3": "list_buckets",
        "logs": "describe_log_groups",
        "cloudwatch": "list_metrics",
        "sns": "list_topics",
        "ssm": "describe_parameters",
    }
    together = threading.Barrier(4 * len(first))

    def call(service: str, operation: str) -> None:
        made = client(endpoint, service)
        together.wait()
        getattr(made, operation)()

    with ThreadPoolExecutor(4 * len(first)) as threads:
        calls = [threads.submit(call, *each) for each in list(first.items()) * 4]
        await asyncio.gather(*map(asyncio.wrap_future, calls))


async def test_it_listens_on_its_own_address_only(site: Site) -> None:
    await start_localstack(site)

    pid = site.supervisor.processes["localstack"].pid
    assert listeners(pid) == {f"{site.network.loopback(Network.AWS)}:4566"}


async def test_what_it_writes_stays_in_the_run_directory(site: Site) -> None:
    await start_localstack(site)

    process = psutil.Process(site.supervisor.processes["localstack"].pid)
    for name in ("HOME", "TMPDIR", "FILESYSTEM_ROOT"):
        assert Path(process.environ()[name]).is_relative_to(site.run.root)
    opened = [Path(file.path) for file in process.open_files() if file.mode != "r"]
    assert opened
    assert all(path.is_relative_to(site.run.root) for path in opened)
    # In a container it would write to the machine's own directories, which only root may.
    assert (Path(process.environ()["FILESYSTEM_ROOT"]) / "var/lib/localstack").is_dir()
    assert "Ready." in (site.run.logs / "localstack.log").read_text()


async def test_its_settings_are_its_owners_alone_and_its_plugins_are_those_of_the_project(site: Site) -> None:
    endpoint = await start_localstack(site)

    process = psutil.Process(site.supervisor.processes["localstack"].pid)
    given = Path(process.environ()[VARIABLE])
    assert given.is_relative_to(site.run.root)
    assert mode(given) == 0o600
    assert Path(process.environ()["PYTHONPATH"]) == PLUGINS
    assert endpoint.secret_key.get_secret_value() not in " ".join(
        (*process.cmdline(), *process.environ().values())
    )


async def test_every_run_has_an_administrator_of_its_own(site: Site) -> None:
    first = await start_localstack(site)
    await site.supervisor.stop("localstack")
    second = await start_localstack(site)

    assert first.access_key != second.access_key
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        await asyncio.to_thread(client(first, "secretsmanager").list_secrets)
    await asyncio.to_thread(client(second, "secretsmanager").list_secrets)


async def test_without_its_guard_it_does_not_start(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = json.dumps({"secret_key": "nobody may read this"})
    monkeypatch.setattr(
        localstack_module, "_settings", lambda run, _endpoint, _localstack: run.write("broken.json", broken)
    )

    with pytest.raises(NotReadyError) as caught:
        await asyncio.wait_for(start_localstack(site), 40)

    assert "exited with code" in caught.value.seen
    assert "Field required" in caught.value.seen
    log = (site.run.logs / "localstack.log").read_text()
    assert "validation errors for Settings" in log
    assert "nobody may read this" not in log


async def test_a_taken_port_ends_the_start_at_once(site: Site) -> None:
    address = (site.network.loopback(Network.AWS), 4566)
    with socket.create_server(address), pytest.raises(NotReadyError) as caught:
        await asyncio.wait_for(start_localstack(site), 40)

    assert caught.value.subject == "localstack"
    assert "exited with code 1" in caught.value.seen
    assert "Address already in use" in caught.value.seen
    assert "localstack" not in site.supervisor.processes
