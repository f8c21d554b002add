"""The container engine: found, and asked whether it will do."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
import requests

from deployer.errors import MissingToolError, NotReadyError

_LEAST_GIGABYTES = 6
_GIGABYTE = 1_000_000_000
_INSTALL = "Install Docker and start it; on Debian, `sudo .ci/docker/start` does both."


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker daemon that answers.

    Attributes:
        client: Its client.
        processors: How many processors it has.
    """

    client: docker.DockerClient
    processors: int


def find_engine() -> Engine:
    """Find the Docker daemon that the environment's variables name, or the usual one.

    Raises:
        MissingToolError: The program `docker`, which kind calls, is not on PATH.
        NotReadyError: No daemon answers, or it has too little memory.
    """
    if shutil.which("docker") is None:
        seen = "Podman, which is not supported" if shutil.which("podman") else "nothing of that name"
        raise MissingToolError("docker", expected="the program on PATH", seen=seen, remedy=_INSTALL)
    try:
        client = docker.from_env()
        told = client.info()
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise NotReadyError(
            "Docker daemon",
            expected="an answer",
            seen=str(error).split("(", 1)[0].strip() or type(error).__name__,
            remedy=f"Start it, or see that this user may talk to it. {_INSTALL}",
        ) from None
    memory = told["MemTotal"]
    if memory < _LEAST_GIGABYTES * _GIGABYTE:
        raise NotReadyError(
            "Docker daemon",
            expected=f"at least {_LEAST_GIGABYTES} GB of memory",
            seen=f"{memory / _GIGABYTE:.1f} GB",
            remedy="Give it more, in the settings of the machine that it runs on.",
        )
    return Engine(client, told["NCPU"])


def memory_of(containers: Iterable[Any]) -> int:
    """Return the bytes that containers hold, without files that the machine may take back at any time."""
    told = (each.stats(stream=False, one_shot=True)["memory_stats"] for each in containers)
    return sum(each["usage"] - _given_back(each["stats"]) for each in told)


def _given_back(memory: Mapping[str, int]) -> int:
    # Of the two versions of control groups each has its own name for it.
    return memory.get("inactive_file", memory.get("total_inactive_file", 0))
