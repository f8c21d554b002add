"""What is taken from elsewhere, and what is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import MissingToolError
from deployer.progress import Step
from environments.embedded.toolchain.go import find_go, parse_go_version, required_go
from environments.embedded.toolchain.program import parse_version
from environments.embedded.toolchain.store import Store
from tests.toolchain.conftest import Room


def _pretend(path: Path, answer: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("etcd Version: 3.6.8\nGit SHA: x\nGo Version: go1.26.8\n", "v3.6.8"),
        ("Kubernetes v1.36.3\n", "v1.36.3"),
        ("Client Version: v1.36.3\nKustomize Version: v5.8.1\n", "v1.36.3"),
        ("v3.22.0+gabcdef1\n", "v3.22.0"),
        ("Kubernetes v1.36.3+k3s1\n", "v1.36.3+k3s1"),
        ("Kubernetes v1.36.3-rc.1\n", "v1.36.3-rc.1"),
        ("unknown flag: --version\n", None),
        ("", None),
    ],
)
def test_reads_the_version_in_a_programs_answer(answer: str, version: str | None) -> None:
    assert parse_version(answer) == version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.26 linux/amd64", (1, 26, 0)),
        ("go version go1.26rc1 linux/amd64", (1, 26, -1)),
        ("go 1.26.0", (1, 26, 0)),
        ("go version devel +abc", None),
    ],
)
def test_reads_gos_version(text: str, version: tuple[int, ...] | None) -> None:
    assert parse_go_version(text) == version


def test_a_program_in_assets_is_used(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = _pretend(tmp_path / "hello", "hello v1.2.3")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert room.ensure()["hello"] == theirs
    assert room.go.builds() == []


def test_another_version_in_assets_is_an_error_that_names_both(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.ensure()  # even when the right one is in the cache
    _pretend(tmp_path / "hello", "hello v1.2.4")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(MissingToolError) as failure:
        room.ensure()
    assert "v1.2.3" in failure.value.expected
    assert "v1.2.4" in failure.value.seen


def test_assets_without_the_program_are_no_error(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert room.ensure()["hello"].is_relative_to(room.cache)


def test_the_right_version_on_path_is_used(room: Room) -> None:
    theirs = _pretend(room.go.directory / "hello", "v1.2.3+g0123abc")
    assert room.ensure()["hello"] == theirs
    assert room.go.builds() == []


@pytest.mark.parametrize("answer", ["v1.2.2", "what?"])
def test_another_version_on_path_is_passed_over_with_a_remark(room: Room, answer: str) -> None:
    theirs = _pretend(room.go.directory / "hello", answer)
    assert room.ensure()["hello"].is_relative_to(room.cache)
    assert room.steps[0].detail.startswith(f"{theirs} passed over")


def test_what_cannot_be_asked_for_its_version_is_never_taken_from_path(room: Room) -> None:
    _pretend(room.go.directory / "hello", "v1.2.3")
    assert room.ensure(ask=None)["hello"].is_relative_to(room.cache)


def test_reads_the_go_line(pinned: Path) -> None:
    assert required_go(pinned) == (1, 24, 0)


def test_an_older_go_is_passed_over_and_none_within_reach_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _pretend(tmp_path / "bin" / "go", "go version go1.20.1 linux/amd64")
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    store = Store(tmp_path / "cache")
    steps: list[Step] = []
    with store.exclusive(steps.append), pytest.raises(MissingToolError) as failure:
        find_go((1, 26, 0), store, steps.append)
    assert steps[0].detail == f"{old} passed over: version 1.20.1, not 1.26.0 or later"
    assert "1.26.0" in failure.value.expected
    assert "https://go.dev/dl" in failure.value.remedy
    assert not list((tmp_path / "cache" / "toolchain").glob("go-*"))
