"""The search for secret values at the end of a run, which proves each time that it sees."""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from environments.searchable import Lawful
from evidence.redaction import Leak, Redactor

_CONTROL = "the planted control"
_CHILD = "import sys; print(flush=True); sys.stdin.read()"  # it lives until its standard input ends


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found.

    Attributes:
        leaks: Values where they must not be.
        blind: What could not be searched, or was searched without being seen; a sentence each.
    """

    leaks: tuple[Leak, ...] = ()
    blind: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What has to fail the run, in sentences without values."""
        found = (f"The value of {leak.name} was found in {leak.place}, {leak.where}." for leak in self.leaks)
        return (*self.blind, *dict.fromkeys(found))


@dataclass
class _Findings:
    leaks: list[Leak] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)

    def judged(self, controls: set[str], lawful: Iterable[Lawful]) -> Search:
        """Take out the controls, each of which must be there, and what is lawful."""
        seen = {leak.place for leak in self.leaks if leak.name == _CONTROL}
        blind = [f"The search for secret values does not see {place}." for place in sorted(controls - seen)]
        leaks = (
            leak
            for leak in self.leaks
            if leak.name != _CONTROL and not any(each.allows(leak.place) for each in lawful)
        )
        return Search(tuple(leaks), (*self.blind, *blind))


def search_files(redactor: Redactor, directory: Path, lawful: Iterable[Lawful] = ()) -> Search:
    """Search a directory, with everything below it, for known values; a control is planted, and removed.

    Places are named relative to the directory.
    """
    findings = _Findings()
    with _control_file(redactor, directory) as control:
        try:
            for leak in redactor.search([directory]):
                place = Path(leak.place).relative_to(directory).as_posix()
                findings.leaks.append(Leak(place, leak.name, leak.where))
        except OSError as error:
            findings.blind.append(f"{error.filename} could not be searched: {error.strerror}.")
    return findings.judged({control}, lawful)


def search_processes(redactor: Redactor, parents: Iterable[int], lawful: Iterable[Lawful] = ()) -> Search:
    """Search the arguments and variables of processes and all their descendants for known values.

    A control is planted in both of a process of this one, and ended.
    """
    findings = _Findings()
    with _control_process(redactor) as (pid, controls):
        for process in _family([*parents, pid]):
            try:
                findings.leaks += _in_process(redactor, process)
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue  # it has ended, and shows nothing any more
            except psutil.AccessDenied:
                findings.blind.append(f"Process {process.pid} could not be searched.")
    return findings.judged(controls, lawful)


@contextmanager
def _control_file(redactor: Redactor, directory: Path) -> Iterator[str]:
    value = secrets.token_urlsafe(32)
    redactor.register(_CONTROL, value)
    path = directory / f".control-{secrets.token_hex(8)}"
    # As a Kubernetes audit record would have it: the least legible of the forms.
    path.write_bytes(b"a record\n" + base64.b64encode(b"a=" + value.encode()))
    try:
        yield path.name
    finally:
        path.unlink()


@contextmanager
def _control_process(redactor: Redactor) -> Iterator[tuple[int, set[str]]]:
    value = secrets.token_urlsafe(32)
    redactor.register(_CONTROL, value)
    command = (sys.executable, "-c", _CHILD, value)
    with subprocess.Popen(
        command, env={"CONTROL": value}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None, "it is a pipe"  # noqa: S101  for mypy
        process.stdout.readline()  # until then it may still be this process' copy
        name = _name(psutil.Process(process.pid))
        yield process.pid, {f"arguments of {name}", f"environment of {name}: CONTROL"}
        process.communicate()


def _family(pids: Iterable[int]) -> list[psutil.Process]:
    family: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            family |= {each.pid: each for each in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess:
            continue
    return list(family.values())


def _in_process(redactor: Redactor, process: psutil.Process) -> Iterator[Leak]:
    name, where = redactor.redact(_name(process)), f"process {process.pid}"
    for found in redactor.find("\0".join(process.cmdline())):
        yield Leak(f"arguments of {name}", found, where)
    for variable, value in process.environ().items():
        for found in redactor.find(value):
            yield Leak(f"environment of {name}: {redactor.redact(variable)}", found, where)


def _name(process: psutil.Process) -> str:
    """Name a process by its program; one of Python's by its module."""
    arguments = process.cmdline()
    if arguments[1:2] == ["-m"]:
        return arguments[2]
    return Path(arguments[0]).name if arguments else process.name()
