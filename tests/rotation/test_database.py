"""The database's login rotates while both its logins go on working."""

from __future__ import annotations

import json
from contextlib import closing, suppress

import pytest

from deployer import value_forms
from rotation_errors import (
    BusyError,
    ConfigurationError,
    InvalidSecretError,
    NotAcceptedError,
    RefusedError,
    RotationError,
    SessionsOpenError,
    UnreachableError,
)
from secret_document import rendered
from tests.rotation import gates
from tests.rotation.functions import DATABASE_TEMPLATE, STEPS, Function, database_function
from tests.rotation.in_memory import CURRENT, PENDING, PREVIOUS, InMemorySecretsManager
from tests.rotation.runs import Run
from tests.rotation.servers import Database

pytestmark = pytest.mark.embedded


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager, database: Database) -> Function:
    return database_function(monkeypatch, store, database)


def test_the_other_login_becomes_current_and_the_first_goes_on(
    function: Function, database: Database
) -> None:
    first = function.secret.text(CURRENT)

    token = function.rotate()

    second = function.secret.text(CURRENT)
    assert function.secret.versions[token].labels == {CURRENT}
    assert function.secret.text(PREVIOUS) == first
    assert json.loads(second)["username"] == "mita_app_clone"
    assert database.accepts(first)
    assert database.accepts(second)


def test_logins_take_turns(function: Function, database: Database) -> None:
    users = []
    for _ in range(4):
        function.rotate()
        users.append(json.loads(function.secret.text(CURRENT))["username"])
        assert database.accepts(function.secret.text(CURRENT))
        assert database.accepts(function.secret.text(PREVIOUS))
    assert users == ["mita_app_clone", "mita_app"] * 2


def test_all_fields_follow_the_new_login(function: Function) -> None:
    before = json.loads(function.secret.text(CURRENT))

    function.rotate()

    after = json.loads(function.secret.text(CURRENT))
    assert list(after) == list(before)
    assert {name for name in after if after[name] != before[name]} == {
        "username",
        "password",
        "connection_string",
    }


def test_a_password_in_use_is_not_changed(function: Function, database: Database) -> None:
    first = json.loads(function.secret.text(CURRENT))
    with closing(database.connect(first["username"], first["password"])) as client:
        function.rotate()
        token = function.begin()
        function.call("createSecret", token)
        with pytest.raises(SessionsOpenError, match=r"login mita_app: .* seen 1 open") as caught:
            function.call("setSecret", token)
        assert client.run("SELECT 1") == [[1]]
        assert database.accepts(json.dumps(first))

    assert first["password"] not in str(caught.value)
    database.wait_for_sessions("mita_app", 0)
    for step in ("setSecret", "testSecret", "finishSecret"):
        function.call(step, token)
    assert database.accepts(function.secret.text(CURRENT))


def test_a_configuration_can_be_tried_out(function: Function, database: Database) -> None:
    token = function.try_out()
    assert function.secret.versions[token].labels == {PENDING}
    assert database.accepts(function.secret.text(CURRENT))

    fields = json.loads(function.secret.text(CURRENT)) | {"password": value_forms.invent("base64-256")}
    fields["connection_string"] = rendered(DATABASE_TEMPLATE, fields)
    current = function.secret.holder(CURRENT)
    assert current is not None
    function.secret.versions[current].text = json.dumps(fields)
    with pytest.raises(NotAcceptedError):
        function.try_out()


def test_a_login_that_is_refused_is_not_promoted(function: Function, database: Database) -> None:
    token = function.begin()
    function.call("createSecret", token)

    for step in ("testSecret", "finishSecret"):
        with pytest.raises(NotAcceptedError, match="mita_app_clone"):
            function.call(step, token)

    assert function.secret.versions[token].labels == {PENDING}
    assert database.accepts(function.secret.text(CURRENT))


@pytest.mark.parametrize("step", STEPS)
def test_two_rotations_at_once_take_turns(
    function: Function, database: Database, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever a run is held up, what another one makes current is accepted afterwards."""
    gates.install(monkeypatch)
    function.store.gate = Run.gate
    places = 0
    while True:
        token = function.begin()
        for earlier in STEPS[: STEPS.index(step)]:
            function.call(earlier, token)
        late = function.start(step, token)
        for _ in range(places):
            late.advance()
        held_up = not late.over
        with suppress(BusyError, SessionsOpenError):
            function.rotate()
        late.to_the_end()

        assert database.accepts(function.secret.text(CURRENT)), late
        assert isinstance(late.error, RotationError | None)
        for login in ("mita_app", "mita_app_clone"):
            database.wait_for_sessions(login, 0)
        if not held_up:
            return
        places += 1


def test_no_statement_holds_a_password(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = gates.install(monkeypatch)

    function.rotate()

    assert any("SCRAM-SHA-256$4096:" in each for each in sent.texts)
    for text in function.store.born:
        assert not any(json.loads(text)["password"] in each for each in sent.texts)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "mita_app"),
        ("username", "postgres"),
        ("host", "localhost"),
        ("port", 1),
        ("database", "postgres"),
        ("password", "short"),
        ("connection_string", "postgresql+asyncpg://mita_app_clone:other@localhost/mita"),
    ],
)
@pytest.mark.parametrize("step", STEPS[1:])
def test_a_pending_version_for_something_else_is_refused(
    function: Function, database: Database, step: str, field: str, value: object
) -> None:
    token = function.begin()
    function.call("createSecret", token)
    pending = function.secret.versions[token]
    pending.text = json.dumps({**json.loads(pending.text or ""), field: value})
    before = [database.verifier(login) for login in ("mita_app", "mita_app_clone")]

    with pytest.raises(InvalidSecretError, match=field):
        function.call(step, token)

    assert [database.verifier(login) for login in ("mita_app", "mita_app_clone")] == before


def test_a_server_that_does_not_answer_is_told(function: Function) -> None:
    holder = function.secret.holder(CURRENT)
    assert holder is not None
    current = function.secret.versions[holder]
    current.text = json.dumps({**json.loads(current.text or ""), "port": 1})

    with pytest.raises(UnreachableError, match=r"PostgreSQL at 127\..*:1: .* seen InterfaceError"):
        function.call("createSecret", function.begin())


def test_an_administrator_who_is_refused_is_told(function: Function) -> None:
    secret = function.store.secrets["database-administrator"]
    holder = secret.holder(CURRENT)
    assert holder is not None
    secret.versions[holder].text = json.dumps({"username": "postgres", "password": "planted"})

    with pytest.raises(UnreachableError, match=r"the administrator is refused \(error 28P01\)") as caught:
        function.call("createSecret", function.begin())
    assert "planted" not in str(caught.value)


def test_an_administrator_of_another_host_is_not_used(function: Function) -> None:
    secret = function.store.secrets["database-administrator"]
    holder = secret.holder(CURRENT)
    assert holder is not None
    login = json.loads(secret.versions[holder].text or "")
    secret.versions[holder].text = json.dumps({**login, "host": "elsewhere"})

    with pytest.raises(InvalidSecretError, match="the same host"):
        function.call("createSecret", function.begin())


def test_a_login_that_was_not_deployed_is_refused(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGINS", "mita_app,somebody")
    token = function.begin()
    function.call("createSecret", token)

    with pytest.raises(RefusedError, match="login somebody: expected a role of that name"):
        function.call("setSecret", token)


@pytest.mark.parametrize("logins", ["mita_app", "mita_app,", "mita_app,mita_app", "a,b,c"])
def test_settings_that_do_not_serve_are_refused(
    function: Function, monkeypatch: pytest.MonkeyPatch, logins: str
) -> None:
    monkeypatch.setenv("LOGINS", logins)

    with pytest.raises(ConfigurationError, match="LOGINS"):
        function.call("createSecret", function.begin())
