"""What is missing of Docker is named, with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployer.errors import MissingToolError, NotReadyError
from environments.kind.engine import find_engine


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH leads to one directory, with a program `docker` in it."""
    found = tmp_path / "docker"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return found


def daemon(monkeypatch: pytest.MonkeyPatch, **told: object) -> None:
    class Client:
        def info(self) -> dict[str, Any]:
            return told

    monkeypatch.setattr("docker.from_env", Client)


def test_without_docker_its_remedy_is_named(program: Path) -> None:
    program.unlink()
    with pytest.raises(
        MissingToolError, match=r"docker: expected the program on PATH; seen nothing.*Install Docker"
    ):
        find_engine()


def test_podman_is_recognised_and_not_taken_for_docker(program: Path) -> None:
    program.rename(program.with_name("podman"))
    with pytest.raises(MissingToolError, match="Podman, which is not supported"):
        find_engine()


@pytest.mark.usefixtures("program")
def test_a_daemon_that_does_not_answer_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    with pytest.raises(NotReadyError, match=r"Docker daemon: expected an answer; seen .*Start it"):
        find_engine()


@pytest.mark.usefixtures("program")
def test_too_little_memory_is_told_in_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon(monkeypatch, MemTotal=2_100_000_000, NCPU=2)
    with pytest.raises(NotReadyError, match=r"expected at least 6 GB of memory; seen 2\.1 GB"):
        find_engine()


@pytest.mark.usefixtures("program")
def test_a_daemon_that_will_do_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon(monkeypatch, MemTotal=24_000_000_000, NCPU=2)
    assert find_engine().processors == 2
