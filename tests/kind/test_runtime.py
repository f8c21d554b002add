"""The runtime of a Docker daemon on a machine that lacks CAP_SYS_RESOURCE."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

RUNTIME = Path(__file__).parents[2] / ".ci" / "docker" / "runtime.py"


@pytest.fixture
def runtime() -> dict[str, Any]:
    return runpy.run_path(str(RUNTIME))


def process(**more: object) -> dict[str, Any]:
    return {
        "args": ["sleep", "1"],
        "oomScoreAdj": -500,
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1 << 20, "soft": 1 << 20}],
        "capabilities": {
            "bounding": ["CAP_SYS_RESOURCE", "CAP_SYS_ADMIN"],
            "effective": ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"],
        },
        **more,
    }


LAWFUL = {
    "args": ["sleep", "1"],
    "capabilities": {"bounding": ["CAP_SYS_ADMIN"], "effective": ["CAP_SYS_ADMIN"]},
}


@pytest.mark.parametrize("option", [["--bundle"], ["-b"]])
def test_a_container_asks_for_nothing_that_needs_the_capability(
    runtime: dict[str, Any], tmp_path: Path, option: list[str]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"root": {"path": "rootfs"}, "process": process()}))
    runtime["rewrite"](["--root", "/run/runc", "create", *option, str(tmp_path), "some-id"])
    assert json.loads(config.read_text()) == {"root": {"path": "rootfs"}, "process": LAWFUL}


def test_an_option_and_its_value_may_be_one_argument(runtime: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"process": process()}))
    runtime["rewrite"](["run", f"--bundle={tmp_path}", "some-id"])
    assert json.loads(config.read_text()) == {"process": LAWFUL}


def test_a_command_in_a_container_asks_for_nothing_either(runtime: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "process.json"
    file.write_text(json.dumps(process(terminal=True)))
    runtime["rewrite"](["exec", "--process", str(file), "some-id"])
    assert json.loads(file.read_text()) == {**LAWFUL, "terminal": True}


def test_the_option_p_of_other_commands_is_no_process(
    runtime: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runtime["rewrite"](["kill", "-p", "some-id"])
    runtime["rewrite"](["delete", "--force", "some-id"])
    assert list(tmp_path.iterdir()) == []


def test_a_process_without_capabilities_stays_so(runtime: dict[str, Any]) -> None:
    assert runtime["without_privilege"]({"args": ["true"]}) == {"args": ["true"]}
