"""What the documents tell people to type can be typed, and does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from mita.cli import cli
from tests.docs.commands import ROOT, Shown, blocks, shown

COMMANDS = list(shown())
# What belongs to the machine, and is run with the rest of its block below.
_MACHINES = {"aws", "curl", "docker", "eval", "kind", "kubectl", "sudo"}


def _mita(parts: list[str]) -> None:
    context = click.Context(cli, info_name="mita")
    name, command, rest = cli.resolve_command(context, parts)
    assert command is not None, f"mita has no command {name}"
    while isinstance(command, click.Group):
        inner = command.make_context(name, rest, parent=context)
        name, command, rest = command.resolve_command(inner, inner.protected_args + inner.args)
        assert command is not None
    command.make_context(name, rest, parent=context)


def _pytest(parts: list[str]) -> None:
    _run([sys.executable, "-m", "pytest", "--collect-only", "-q", *parts])


def _python(parts: list[str]) -> None:
    if parts[0] == "-c":
        compile(parts[1], "shown", "exec")
    elif parts[0] == "-m":
        _run([sys.executable, "-m", parts[1], "--help"] if parts[1] != "features.lint" else _python_of(parts))
    else:
        source = (ROOT / parts[0]).read_text()
        for option in (each for each in parts[1:] if each.startswith("--")):
            assert option in source, option


def _python_of(parts: list[str]) -> list[str]:
    return [sys.executable, *parts]


def _locust(parts: list[str]) -> None:
    # In a process of its own: Locust changes whatever process it is imported into.
    parse = "import sys, loadtests.locustfile; from locust.argument_parser import get_parser as p"
    _run([sys.executable, "-c", f"{parse}; p().parse_args(sys.argv[1:])", *parts])


def _tox(parts: list[str]) -> None:
    assert parts[:2] == ["run", "-e"]
    assert f"[testenv:{parts[2]}]" in (ROOT / "tox.ini").read_text()


def _make(parts: list[str]) -> None:
    _run(["make", "-n", *parts])


_CHECKS: dict[str, Callable[[list[str]], object]] = {
    "mita": _mita,
    "pytest": _pytest,
    "python": _python,
    "python3": _python,
    "locust": _locust,
    "tox": _tox,
    "make": _make,
}


def _run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.document}: {command.text}")
def test_a_command_that_is_shown_is_understood(command: Shown) -> None:
    program, *rest = command.parts
    if program in _MACHINES:
        return
    _CHECKS[program](rest)


def test_commands_are_found_at_all() -> None:
    programs = {command.parts[0] for command in COMMANDS}

    assert programs >= {"mita", "pytest", "make", "locust", "tox"}
    assert len(COMMANDS) > 30


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in (["no-such-command"], ["rotate", "--no-such-option"], ["rollback", "--to", "nowhere"]):
        with pytest.raises(click.UsageError):
            _mita(wrong)


@pytest.fixture
def shell() -> Iterator[Callable[[str], subprocess.CompletedProcess[str]]]:
    """A shell with the programs of this project's environment, and a state of its own."""
    with tempfile.TemporaryDirectory(prefix="mita-docs-") as name:
        place = Path(name)
        place.chmod(0o711)  # PostgreSQL's account has to pass through it where we are root
        (place / "bin").mkdir()
        uv = place / "bin" / "uv"
        uv.write_text('#!/bin/sh\nshift\nexec "$@"\n')
        uv.chmod(0o755)
        path = os.pathsep.join([str(place / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])

        def run(script: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=ROOT,
                env={**os.environ, "PATH": path, "MITA_STATE": str(place / "state")},
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )

        yield run
        run("uv run mita down")


@pytest.mark.embedded
@pytest.mark.timeout(1000)
def test_the_steps_of_the_readme_can_be_typed_one_after_the_other(
    shell: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    (steps,) = (block for block in blocks(ROOT / "README.md") if "mita deploy --rehearse" in block)
    # The same with less to wait for.
    script = re.sub(r"--faults \d+", "--faults 2", steps)
    assert script != steps

    done = shell(script)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "faults struck, each was healed, no credential was lost." in done.stdout
    assert done.stdout.rstrip().endswith("embedded is gone.")
