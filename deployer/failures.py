"""Errors of the services that the deployer talks to, explained."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import redis
import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from deployer.cluster import ClusterError
from deployer.errors import MitaError

_SERVICE_ERRORS = (
    BotoCoreError,
    ClientError,
    ClusterError,
    urllib3.exceptions.HTTPError,
    psycopg2.Error,
    redis.RedisError,
    subprocess.SubprocessError,
)


class ServiceError(MitaError):
    """A service refused a call, or did not answer."""


@contextmanager
def explained(subject: str, *, hide_message: bool = False) -> Iterator[None]:
    """Turn a service's error within the block into a `ServiceError`.

    Args:
        subject: What the block works on.
        hide_message: The calls carry secret values: give the error's type and code only, and
            do not chain it, for services sometimes repeat what they were sent.

    Raises:
        ServiceError: A call failed.
    """
    try:
        yield
    except _SERVICE_ERRORS as error:
        raise ServiceError(
            subject,
            expected="its service to answer the call",
            seen=_code(error) if hide_message else f"{_code(error)}: {_message(error)}",
            remedy="See to the service, then run the same command again: it goes on from here.",
        ) from (None if hide_message else error)


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{error.operation_name} failed with {error.response['Error'].get('Code', 'no code')}"
    if isinstance(error, ClusterError):
        return f"HTTP {error.status} {error.reason}"
    return type(error).__name__


def _message(error: Exception) -> str:
    if isinstance(error, ClientError):
        return error.response["Error"].get("Message", "")
    if isinstance(error, ClusterError):
        return error.message
    return " ".join(str(error).split())
