from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.searchable import Lawful
from evidence import leak_search
from evidence.leak_search import search_files, search_processes
from evidence.redaction import Leak, Redactor

VALUE = "s3cr3t/va+lue 9"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register("the password", VALUE)
    return redactor


def test_a_hit_names_file_and_line_and_never_the_value(redactor: Redactor, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "audit.log").write_text(f"one\ntwo {base64.b64encode(VALUE.encode()).decode()}\n")

    found = search_files(redactor, tmp_path)

    assert found.problems == ("The value of the password was found in logs/audit.log, line 2.",)


def test_in_what_is_no_text_the_byte_is_named(redactor: Redactor, tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(bytes(100) + VALUE.encode())

    assert search_files(redactor, tmp_path).leaks == (Leak("store", "the password", "byte 100"),)


def test_what_may_hold_a_value_is_no_leak_and_nothing_beside_it(redactor: Redactor, tmp_path: Path) -> None:
    for name in ("access.json", "accessXjson"):
        (tmp_path / name).write_text(VALUE)

    found = search_files(redactor, tmp_path, [Lawful("access.json", "it has to")])

    assert [leak.place for leak in found.leaks] == ["accessXjson"]


def test_the_control_is_removed(redactor: Redactor, tmp_path: Path) -> None:
    (tmp_path / "clean").write_text("nothing")

    assert not search_files(redactor, tmp_path).problems
    assert [path.name for path in tmp_path.iterdir()] == ["clean"]


def test_a_search_that_does_not_see_fails(
    redactor: Redactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redactor, "search", lambda _paths: iter(()))

    (problem,) = search_files(redactor, tmp_path).problems

    assert problem.startswith("The search for secret values does not see .control-")


def test_a_file_that_cannot_be_read_fails(
    redactor: Redactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_paths: object) -> Iterator[Leak]:
        raise PermissionError(13, "Permission denied", "closed.log")

    monkeypatch.setattr(redactor, "search", denied)

    assert "closed.log could not be searched: Permission denied." in search_files(redactor, tmp_path).problems


@pytest.mark.parametrize(
    ("arguments", "variables", "place"),
    [
        ((VALUE,), {}, "arguments of {program}"),
        ((), {"PASSWORD": VALUE}, "environment of {program}: PASSWORD"),
    ],
)
def test_arguments_and_variables_of_a_process_are_seen(
    redactor: Redactor, arguments: tuple[str, ...], variables: dict[str, str], place: str
) -> None:
    command = (sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", *arguments)
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = search_processes(redactor, [os.getpid()])
        lawful = search_processes(
            redactor, [os.getpid()], [Lawful("environment of *: PASSWORD", "it has to")]
        )
        process.communicate()

    (leak,) = found.leaks
    assert leak.place == place.format(program=Path(sys.executable).name)
    assert leak.where == f"process {process.pid}"
    assert not found.blind
    assert bool(lawful.leaks) == bool(arguments)


@pytest.mark.parametrize("part", ["cmdline", "environ"])
def test_processes_that_are_not_seen_fail(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(leak_search, "_in_process", lambda _redactor, _process: iter(()))

    problems = search_processes(redactor, []).problems

    assert len(problems) == 2
    assert any({"cmdline": "arguments", "environ": "environment"}[part] in problem for problem in problems)


def test_a_process_that_has_ended_is_passed_over(redactor: Redactor) -> None:
    process = subprocess.run(
        (sys.executable, "-c", "import os; print(os.getpid())"), capture_output=True, check=True
    )

    assert not search_processes(redactor, [int(process.stdout)]).problems
