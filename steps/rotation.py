"""Phase 5: rotation as it is configured, and how it stands up to repetition and to faults."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg2 import sql
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.errors import MitaError, RefusedError
from deployer.rotation.logins import require_accepted
from deployer.rotation.record import STEPS, Rotated
from deployer.servers import connect_database
from evidence.timeline import Timeline
from steps.application import ask
from steps.parameters import phrase
from steps.rights import desired_role
from steps.rotating import current_versions, rotate, rotator
from steps.system import System, text_of
from steps.tokens import present, signed

_JWT = "auth/jwt-secret"
_JWT_PREVIOUS = "auth/jwt-previous-secret"
_DATABASE = "database/primary"
_PENDING = "AWSPENDING"
_REASONS = ("host", "username", "JSON", "testSecret", _PENDING)
_DAYS = 30
_OK = 200

Json = dict[str, Any]


# ---- as it is configured


@when("the rotation functions are examined", target_fixture="functions")
def _functions_examined(system: System) -> Mapping[str, Json]:
    client = system.aws("lambda")
    names = [function.name for function in system.desired.rotation.functions]
    return {name: client.get_function_configuration(FunctionName=name) for name in names}


@then("these are there, for Python 3.11, with 300 seconds and 256 MB, in the rotation's role:")
def _functions_are(system: System, functions: Mapping[str, Json], datatable: list[list[str]]) -> None:
    role = desired_role(system, "the rotation's role").name
    for (name,) in datatable[1:]:
        live = functions[name]
        assert (live["Runtime"], live["Timeout"], live["MemorySize"]) == ("python3.11", 300, 256), name
        assert live["Role"].endswith(f":role/{role}"), f"{name} has the role {live['Role']}"


@when("the rotation of the critical secrets is examined", target_fixture="configured")
def _rotation_examined(system: System) -> Mapping[str, Json]:
    manager = system.aws("secretsmanager")
    return {name: manager.describe_secret(SecretId=system.full_name(name)) for name in (_DATABASE, _JWT)}


@then("each of these is rotated every 30 days, and the next date lies ahead:")
def _rotated_every_month(configured: Mapping[str, Json], datatable: list[list[str]]) -> None:
    for (name,) in datatable[1:]:
        live = configured[name]
        assert live["RotationEnabled"] is True, f"{name} is not rotated"
        assert live["RotationRules"]["AutomaticallyAfterDays"] == _DAYS, name
        ahead = live["NextRotationDate"] - datetime.now(UTC)
        assert timedelta() < ahead <= timedelta(days=_DAYS + 1), f"{name} is due in {ahead}"


# ---- sessions


@given("a session that began before", target_fixture="session_before")
def _session_before(system: System) -> SecretStr:
    return _session(system)


def _session(system: System) -> SecretStr:
    return signed(system, text_of(system.stored(_JWT)["value"]))


@then("the secret that was current is the previous one now")
def _became_previous(system: System) -> None:
    answer = system.aws("secretsmanager").get_secret_value(
        SecretId=system.full_name(_JWT), VersionStage="AWSPREVIOUS"
    )
    before = text_of(system.fields(answer["SecretString"], _JWT)["value"])
    assert system.fingerprints.same(before, text_of(system.stored(_JWT_PREVIOUS)["value"]))


@then("the session that began before is still accepted")
def _still_accepted(system: System, session_before: SecretStr) -> None:
    _require_accepted(system, session_before, "previous")


@then("a session that begins now is accepted too")
def _begins_now(system: System) -> None:
    _require_accepted(system, _session(system), "current")


def _require_accepted(system: System, token: SecretStr, key: str) -> None:
    answer = present(system, token)
    assert answer.status == _OK, f"it answers {answer.status}: {answer.data[:200]!r}"
    assert answer.json()["key"] == key


# ---- again, and at once


@when("the steps of that rotation come again in the opposite order", target_fixture="answers")
def _steps_come_again(system: System, rotated: Sequence[Rotated]) -> list[Json]:
    (done,) = rotated
    function = system.desired.rotation.by(done.secret)
    assert function is not None
    arn = system.aws("secretsmanager").describe_secret(SecretId=system.full_name(done.secret))["ARN"]
    answers = []
    for step in reversed(STEPS):
        event = {"Step": step, "SecretId": arn, "ClientRequestToken": done.version}
        answers.append(
            system.aws("lambda").invoke(FunctionName=function.name, Payload=json.dumps(event).encode())
        )
    return answers


@then("every pod still works with it")
def _pods_still_work(system: System, answers: Sequence[Json]) -> None:
    assert len(answers) == len(STEPS)
    answer = ask(system, "GET", "/health/ready")
    assert answer.status == _OK, f"it answers {answer.status}: {answer.data[:200]!r}"
    _require_accepted(system, _session(system), "current")


@when(phrase("the secret {secret:Quoted} is rotated twice at the same time"), target_fixture="both")
def _rotated_twice(system: System, secret: str) -> list[Rotated | MitaError]:
    def attempt(_number: int) -> Rotated | MitaError:
        try:
            return rotator(system, secret).rotate()
        except MitaError as refusal:
            return refusal

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(attempt, range(2)))


@then("one of the two is turned away", target_fixture="rotated")
def _one_turned_away(both: Sequence[Rotated | MitaError]) -> list[Rotated]:
    refused = [each for each in both if isinstance(each, RefusedError)]
    done = [each for each in both if isinstance(each, Rotated)]
    assert (len(refused), len(done)) == (1, 1), f"they ended with {both}"
    return done


# ---- faults


@pytest.fixture
def before(system: System) -> str:
    """The version of the database's secret that was current at the beginning."""
    (version,) = current_versions(system, _DATABASE)
    return version


@given(phrase("a pending version of {secret:Quoted} with {fault:Words}"))
def _pending_version(system: System, before: str, secret: str, fault: str) -> Iterator[None]:
    del before  # looked up before anything is pending
    manager, name = system.aws("secretsmanager"), system.full_name(secret)
    fields = {key: text_of(value) for key, value in system.stored(secret).items()}
    (idle,) = set(system.desired.database.logins) - {fields["username"]}
    changed: Json = fields | {"port": int(fields["port"])}
    text = {
        "another host": json.dumps(changed | {"username": idle, "host": "elsewhere.invalid"}),
        "another user": json.dumps(changed | {"username": "postgres"}),
        "a malformed value": "no JSON",
    }[fault]
    version = str(uuid.uuid4())
    manager.put_secret_value(
        SecretId=name, ClientRequestToken=version, SecretString=text, VersionStages=[_PENDING]
    )
    try:
        yield
    finally:
        rotator(system, secret).abandon()


def _attempt(system: System, *, resume: bool) -> MitaError | Rotated:
    try:
        return rotator(system, _DATABASE).rotate(resume=resume)
    except MitaError as failure:
        return failure


@when("the rotation is resumed", target_fixture="outcome_of_rotation")
def _resumed(system: System) -> MitaError | Rotated:
    return _attempt(system, resume=True)


@given("the database turns the idle login away whatever its password", target_fixture="let_in_again")
def _idle_login_turned_away(system: System, before: str) -> Iterator[Callable[[], None]]:
    del before  # looked up before anything is pending
    username = text_of(system.stored(_DATABASE)["username"])
    (idle,) = set(system.desired.database.logins) - {username}

    def valid_until(end: str) -> None:
        _administer(
            system, sql.SQL("ALTER ROLE {} VALID UNTIL {}").format(sql.Identifier(idle), sql.Literal(end))
        )

    valid_until("epoch")
    try:
        yield lambda: valid_until("infinity")
    finally:
        valid_until("infinity")
        rotator(system, _DATABASE).abandon()


def _administer(system: System, statement: sql.Composed) -> None:
    login = system.connections.database
    assert login is not None, "the environment gives no administrator of the database"
    with closing(connect_database(login)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


@when("it is tried to rotate the secret all the same", target_fixture="outcome_of_rotation")
@when("the secret is rotated as if nothing was pending", target_fixture="outcome_of_rotation")
def _as_if_nothing(system: System) -> MitaError | Rotated:
    return _attempt(system, resume=False)


@then(phrase("it fails, and the reason names {what:Name}", Name=_REASONS))
def _fails_because(outcome_of_rotation: MitaError | Rotated, what: str) -> None:
    assert isinstance(outcome_of_rotation, MitaError), "it succeeded"
    assert what in str(outcome_of_rotation), str(outcome_of_rotation)


@then("the version before is still current and lets in")
def _still_current(system: System, before: str) -> None:
    assert current_versions(system, _DATABASE) == [before]
    stored = system.stored(_DATABASE)
    require_accepted("database_rotation", system.connections, stored, "the current value")


@then("it can be abandoned, and the next rotation succeeds")
def _can_be_abandoned(system: System, timeline: Timeline, before: str) -> None:
    assert rotator(system, _DATABASE).abandon() is not None, "nothing was pending"
    assert rotate(system, timeline, _DATABASE).before == before


@then("the rotation can be resumed once the database lets that login in again")
def _can_be_resumed(
    system: System, timeline: Timeline, before: str, let_in_again: Callable[[], None]
) -> None:
    let_in_again()
    assert rotate(system, timeline, _DATABASE, resume=True).before == before


@then("the application is healthy")
def _is_healthy(system: System) -> None:
    for path in ("/health", "/health/ready"):
        answer = ask(system, "GET", path)
        assert answer.status == _OK, f"{path} answers {answer.status}: {answer.data[:200]!r}"
