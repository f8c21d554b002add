"""A server that must not be reached by what the guard refuses, and a guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from kubernetes.client import Configuration

from environments.guard import Budget, Guard, wire
from environments.guard.aws import RETRIES, guarded
from environments.guard.kubernetes import ReadOnlyApiClient, retrying
from tests.guard.server import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def guard() -> Guard:
    guard = Guard(Budget(seconds=60, requests=100))
    guard.identify()
    return guard


@pytest.fixture
def armed(guard: Guard) -> Iterator[Guard]:
    wire.arm(guard)
    yield guard
    wire.disarm(guard)


def raw_client(service: str, server: Server) -> Any:  # noqa: ANN401  boto3 clients have no common type
    return boto3.client(
        service,  # type: ignore[call-overload]  # any of the services
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="made-up",
        config=RETRIES,
    )


def aws_client(service: str, server: Server, guard: Guard) -> Any:  # noqa: ANN401  boto3 clients have no common type
    return guarded(raw_client(service, server), guard)


def cluster_client(server: Server, guard: Guard) -> ReadOnlyApiClient:
    configuration = Configuration()
    configuration.host = server.url
    return ReadOnlyApiClient(retrying(configuration), guard)
