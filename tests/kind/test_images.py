"""The images of the servers and of the programs of this project, each run by Docker."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psycopg2
import pytest
import redis
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import SecretStr

from deployer.eventually import eventually
from environments.embedded.aws.plugins.mita_localstack.access_keys import new_access_key, new_secret_key
from environments.embedded.aws.plugins.mita_localstack.settings import VARIABLE, Settings
from environments.kind.offline.builder import Image
from tests.kind.cluster import run

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

PASSWORD = "right-password"

type Start = Callable[..., str]


@pytest.fixture
def start(images: dict[str, Image]) -> Iterator[Start]:
    """Starts a container of an image, read-only where asked; the result is its address."""
    with contextlib.ExitStack() as stack:

        def begin(name: str, *options: str, arguments: tuple[str, ...] = ()) -> str:
            image = images[name]
            run(["docker", "load", "--input", str(image.archive)])
            container = run(["docker", "run", "--detach", *options, image.reference, *arguments]).strip()
            stack.callback(run, ["docker", "rm", "--force", "--volumes", container])
            (state,) = json.loads(run(["docker", "inspect", container]))
            return str(state["NetworkSettings"]["IPAddress"])

        yield begin


def wait_for(answer: Callable[[], object], *refusals: type[Exception]) -> None:
    def missing() -> None:
        answer()

    eventually(missing, subject="the container", deadline=60, remedy="Read its log.", retry=refusals)


def query(address: str, password: str) -> tuple[object, ...]:
    connection = psycopg2.connect(
        host=address, user="postgres", password=password, dbname="mita", connect_timeout=5
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (row,) = cursor.fetchall()
        return tuple(row)


def test_postgresql_makes_a_database_and_lets_nobody_in_without_the_password(
    start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    file.chmod(0o644)
    address = start(
        "postgresql",
        *("--volume", f"{file}:/password:ro", "--env", "POSTGRES_PASSWORD_FILE=/password"),
        *("--env", "POSTGRES_DB=mita"),
        arguments=("-c", "max_connections=17"),
    )
    wait_for(lambda: query(address, PASSWORD), psycopg2.OperationalError)
    assert str(query(address, PASSWORD)[0]).startswith("15.")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(address, "wrong-password")


def test_postgresql_without_a_password_says_what_it_wants(images: dict[str, Image]) -> None:
    image = images["postgresql"]
    run(["docker", "load", "--input", str(image.archive)])
    with pytest.raises(AssertionError, match="expected a password in POSTGRES_PASSWORD"):
        run(["docker", "run", "--rm", image.reference])


def test_redis_lets_nobody_in_without_the_password(start: Start) -> None:
    address = start(
        "redis", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", arguments=("--requirepass", PASSWORD)
    )
    client = redis.Redis(host=address, password=PASSWORD, socket_connect_timeout=5)
    wait_for(client.ping, redis.ConnectionError)
    assert client.set("key", "value")
    assert client.info("server")["redis_version"].startswith("7.")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host=address).ping()


def test_the_application_serves_as_nobody_and_without_a_disk_to_write_on(start: Start) -> None:
    address = start("mita", "--read-only", "--cap-drop=ALL", "--env", "MITA_VERSION=of-the-test")

    def health() -> dict[str, object]:
        with urllib.request.urlopen(f"http://{address}:8000/health", timeout=5) as answer:
            content: dict[str, object] = json.load(answer)
            return content

    wait_for(health, urllib.error.URLError, ConnectionError)
    assert health()["version"] == "of-the-test"


def test_the_exporter_starts_and_names_what_it_needs(images: dict[str, Image]) -> None:
    image = images["secret-exporter"]
    run(["docker", "load", "--input", str(image.archive)])
    answer = run(["docker", "run", "--rm", "--read-only", "--cap-drop=ALL", image.reference, "--help"])
    assert answer.startswith("usage:")


def test_localstack_serves_its_administrator_and_nobody_else(start: Start, tmp_path: Path) -> None:
    given = Settings(
        account="000000000000",
        region="us-east-1",
        access_key=new_access_key("000000000000", temporary=False),
        secret_key=SecretStr(new_secret_key()),
        cluster=Path("/tmp/cluster.json"),  # noqa: S108 - the container's own
        trail=Path("/tmp/trail.log"),  # noqa: S108
        faults=Path("/tmp/faults.sock"),  # noqa: S108
        function_python=Path("/usr/local/bin/function-python"),
    )
    file = tmp_path / "settings.json"
    file.touch(mode=0o600)
    file.write_text(given.model_dump_json())
    address = start(
        "localstack", "--volume", f"{file}:/settings.json:ro", "--env", f"{VARIABLE}=/settings.json"
    )

    def client(secret_key: str) -> SecretsManagerClient:
        session = boto3.Session(
            aws_access_key_id=given.access_key,
            aws_secret_access_key=secret_key,
            region_name=given.region,
        )
        return session.client("secretsmanager", endpoint_url=f"http://{address}:4566")

    administrator = client(given.secret_key.get_secret_value())
    wait_for(administrator.list_secrets, EndpointConnectionError)
    administrator.create_secret(Name="some/secret", SecretString="text")
    assert administrator.get_secret_value(SecretId="some/secret")["SecretString"] == "text"
    with pytest.raises(ClientError, match="signature"):
        client(new_secret_key()).get_secret_value(SecretId="some/secret")


def test_functions_find_lambdas_client_and_nothing_of_localstack(images: dict[str, Image]) -> None:
    image = images["localstack"]
    run(["docker", "load", "--input", str(image.archive)])
    script = "import awslambdaric, importlib.util; print(importlib.util.find_spec('localstack'))"
    program = "/usr/local/bin/function-python"
    assert run(["docker", "run", "--rm", "--entrypoint", program, image.reference, "-c", script]) == "None\n"
