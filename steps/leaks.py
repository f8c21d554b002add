"""Phase 3: secret values searched for wherever they must not be."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.cluster import ClusterError
from environments.protocol import StoreReader
from evidence.redaction import Leak, Redactor
from steps.system import System

_NAME = "the control value"
_ARGUMENTS = "arguments of process"


@given("a control value planted in a log and in the arguments of a process", target_fixture="control")
def _planted(system: System) -> Iterator[SecretStr]:
    control = SecretStr(secrets.token_urlsafe(32))
    # The API server notes in its audit log what it was asked for.
    with suppress(ClusterError):
        path = f"/api/v1/namespaces/{system.desired.namespace}/configmaps/{control.get_secret_value()}"
        system.cluster.call("GET", path)
    program = "import sys; sys.stdin.read()"  # it lives until its standard input ends
    command = (sys.executable, "-c", program, control.get_secret_value())
    with subprocess.Popen(command, stdin=subprocess.PIPE):
        yield control


@given("a control value kept in the cluster where nothing is encrypted", target_fixture="control")
def _kept_unencrypted(system: System) -> Iterator[SecretStr]:
    control = SecretStr(secrets.token_urlsafe(32))
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "scenario-" + secrets.token_hex(4), "namespace": system.desired.namespace},
        "data": {"control": control.get_secret_value()},
    }
    system.cluster.apply(manifest)
    try:
        yield control
    finally:
        system.cluster.delete(manifest)


@when("the run's logs, states, reports and processes are searched for secret values", target_fixture="leaks")
def _run_searched(
    system: System, redactor: Redactor, control: SecretStr, report_directory: Path, tmp_path: Path
) -> list[Leak]:
    _know_every_value(system)
    collected = tmp_path / "collected"
    collected.mkdir()
    system.environment.collect(collected)
    places = (collected, system.receipts, report_directory)
    return [
        leak
        for known in (redactor, _only(control))
        for leak in (*known.search(places), *_in_arguments(known))
    ]


@when("the cluster's store is searched for secret values", target_fixture="leaks")
def _store_searched(system: System, redactor: Redactor, control: SecretStr) -> list[Leak]:
    _know_every_value(system)
    assert isinstance(system.environment, StoreReader), "the environment gives no access to the store"
    held = system.environment.stored_state()
    return [Leak("the store", name) for known in (redactor, _only(control)) for name in known.find(held)]


def _know_every_value(system: System) -> None:
    """Read all secrets, so that the redactor knows what to search for."""
    for secret in system.desired.secrets:
        system.stored(secret.name)


def _only(control: SecretStr) -> Redactor:
    redactor = Redactor()
    redactor.register(_NAME, control)
    return redactor


def _in_arguments(redactor: Redactor) -> Iterator[Leak]:
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        arguments: Iterable[str] = process.info["cmdline"] or ()  # None where it may not be read
        for name in redactor.find("\0".join(arguments)):
            yield Leak(f"{_ARGUMENTS} {process.info['pid']} ({process.info['name']})", name)


@then("the control value is found in both places")
def _control_found(leaks: list[Leak]) -> None:
    places = [leak.place for leak in leaks if leak.name == _NAME]
    assert any(place.startswith(_ARGUMENTS) for place in places), "not in the arguments of a process"
    assert any(not place.startswith(_ARGUMENTS) for place in places), "not in a log"


@then("the control value is found there")
def _control_found_there(leaks: list[Leak]) -> None:
    assert _NAME in [leak.name for leak in leaks], "the search does not see what is there"


@then("no secret value is found anywhere")
def _nothing_found(leaks: list[Leak]) -> None:
    found = [f"{leak.name} in {leak.place}" for leak in leaks if leak.name != _NAME]
    assert not found, f"found: {'; '.join(found)}"
