"""Whoever may do nothing is refused everything, by whatever boto3 can call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.config import Config

from environments.embedded.aws.localstack import REGION
from steps.attempts import attempt_everything, unexpected
from tests.aws.cloud import Client, Cloud, Json, allow, running

pytestmark = pytest.mark.embedded


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


def test_nothing_is_allowed_to_who_has_no_permission(cloud: Cloud) -> None:
    """Every operation that a sample may draw: what is decided in another way shows here, not some day."""
    _, credentials = cloud.user()
    outcome = attempt_everything(_clients(cloud, credentials), {}, seed=1, sample=None)
    assert outcome.attempted > 800
    assert unexpected(outcome, ()) == []


def test_one_permission_is_found_among_all(cloud: Cloud) -> None:
    _, credentials = cloud.user(allow("iam:TagRole"))
    outcome = attempt_everything(_clients(cloud, credentials), {}, seed=1)
    assert unexpected(outcome, ()) == ["iam:TagRole"]


def _clients(cloud: Cloud, credentials: Json) -> Callable[[str], Client]:
    # The names that some operations have before the service's are no hosts of LocalStack's.
    whole = Config(inject_host_prefix=False, retries={"total_max_attempts": 1}, proxies={})
    make: Any = boto3.client

    @cache
    def client(service: str) -> Client:
        return make(
            service,
            endpoint_url=cloud.endpoint.url,
            region_name=REGION,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            config=whole,
        )

    return client
