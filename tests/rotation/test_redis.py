"""The cache's password rotates while the last two are accepted."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing, suppress
from typing import Any

import pytest
import redis

import redis_rotation
from deployer import value_forms
from rotation_errors import (
    BusyError,
    InvalidSecretError,
    NotAcceptedError,
    RefusedError,
    RotationError,
    UnreachableError,
)
from secret_document import rendered
from tests.rotation import gates
from tests.rotation.functions import CACHE_TEMPLATE, STEPS, Function, cache_function
from tests.rotation.in_memory import CURRENT, PENDING, PREVIOUS, InMemorySecretsManager
from tests.rotation.runs import Run
from tests.rotation.servers import Cache

pytestmark = pytest.mark.embedded


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager, cache: Cache) -> Function:
    return cache_function(monkeypatch, store, cache)


def digest(text: str) -> str:
    return hashlib.sha256(json.loads(text)["password"].encode()).hexdigest()


def test_the_last_two_passwords_are_accepted(function: Function, cache: Cache) -> None:
    earlier = []
    for _ in range(3):
        earlier.append(function.secret.text(CURRENT))
        function.rotate()
        current, previous = function.secret.text(CURRENT), function.secret.text(PREVIOUS)
        assert previous == earlier[-1]
        assert cache.accepts(current)
        assert cache.accepts(previous)
        assert cache.passwords() == {digest(current), digest(previous)}


def test_only_the_password_changes(function: Function, cache: Cache) -> None:
    value, user = json.loads(function.secret.text(CURRENT)), user_without_passwords(cache)

    function.rotate()

    after = json.loads(function.secret.text(CURRENT))
    assert list(after) == list(value)
    assert {name for name in after if after[name] != value[name]} == {"password", "connection_string"}
    assert user_without_passwords(cache) == user


def user_without_passwords(cache: Cache) -> dict[str, Any]:
    user: Any = cache.administrator.acl_getuser("default")
    return {name: each for name, each in user.items() if name != "passwords"}


def test_clients_stay_connected(function: Function, cache: Cache) -> None:
    with closing(cache.connect("default", json.loads(function.secret.text(CURRENT))["password"])) as client:
        connection = client.client_id()
        function.rotate()
        function.rotate()
        assert client.client_id() == connection


def test_a_configuration_can_be_tried_out(function: Function, cache: Cache) -> None:
    token = function.try_out()
    assert function.secret.versions[token].labels == {PENDING}
    assert cache.accepts(function.secret.text(CURRENT))

    fields = json.loads(function.secret.text(CURRENT)) | {"password": value_forms.invent("base64-256")}
    fields["connection_string"] = rendered(CACHE_TEMPLATE, fields)
    current = function.secret.holder(CURRENT)
    assert current is not None
    function.secret.versions[current].text = json.dumps(fields)
    with pytest.raises(NotAcceptedError):
        function.try_out()


def test_a_password_that_is_refused_is_not_promoted(function: Function, cache: Cache) -> None:
    token = function.begin()
    function.call("createSecret", token)

    for step in ("testSecret", "finishSecret"):
        with pytest.raises(NotAcceptedError, match="user default"):
            function.call(step, token)

    assert function.secret.versions[token].labels == {PENDING}
    assert cache.accepts(function.secret.text(CURRENT))


def test_no_command_holds_a_password(
    function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []

    class Recording(redis.Redis):
        def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  of any types
            commands.append(str(arguments))
            return super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]  # untyped there

    monkeypatch.setattr(redis_rotation, "Redis", Recording)

    function.rotate()

    assert any(digest(function.secret.text(CURRENT)) in each for each in commands)
    for text in function.store.born:
        password = json.loads(text)["password"]
        assert not any(password in each for each in commands)
        assert password not in str(cache.administrator.acl_log())


def test_a_missing_user_is_not_made(
    function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHE_USER", "somebody")
    token = function.begin()
    function.call("createSecret", token)

    with pytest.raises(RefusedError, match="user somebody"):
        function.call("setSecret", token)

    assert cache.administrator.acl_getuser("somebody") is None


@pytest.mark.parametrize("step", STEPS)
def test_two_rotations_at_once_take_turns(
    function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch, step: str
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
        with suppress(BusyError):
            function.rotate()
        late.to_the_end()

        assert cache.accepts(function.secret.text(CURRENT)), late
        assert isinstance(late.error, RotationError | None)
        if not held_up:
            return
        places += 1


def test_what_a_dead_run_held_is_taken_over(
    function: Function, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates.install(monkeypatch)
    token = function.begin()
    run = function.start("createSecret", token)
    while run.place != "after Redis' SET":
        run.advance()
    run.die()
    assert cache.administrator.get("mita:rotation:default")
    monkeypatch.setenv("LOCK_SECONDS", "10")

    function.rotate(token)

    assert function.secret.holder(CURRENT) == token
    assert cache.administrator.get("mita:rotation:default") is None


def replace(function: Function, name: str, **fields: object) -> None:
    secret = function.store.secrets[name]
    holder = secret.holder(CURRENT)
    assert holder is not None
    version = secret.versions[holder]
    version.text = json.dumps({**json.loads(version.text or ""), **fields})


def test_an_administrator_who_is_refused_is_told(function: Function) -> None:
    replace(function, "cache-administrator", password="planted")

    with pytest.raises(UnreachableError, match=r"Redis at 127.* seen AuthenticationError") as caught:
        function.call("createSecret", function.begin())
    assert "planted" not in str(caught.value)


def test_a_server_that_does_not_answer_is_told(function: Function) -> None:
    replace(function, function.secret.name, port=1)

    with pytest.raises(UnreachableError, match=r"Redis at 127\..*:1: .* seen ConnectionError"):
        function.call("createSecret", function.begin())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "localhost"),
        ("port", 1),
        ("password", "short"),
        ("connection_string", "redis://:other@h:1/0"),
    ],
)
@pytest.mark.parametrize("step", STEPS[1:])
def test_a_pending_version_for_something_else_is_refused(
    function: Function, cache: Cache, step: str, field: str, value: object
) -> None:
    token = function.begin()
    function.call("createSecret", token)
    pending = function.secret.versions[token]
    pending.text = json.dumps({**json.loads(pending.text or ""), field: value})
    before = cache.passwords()

    with pytest.raises(InvalidSecretError, match=field):
        function.call(step, token)

    assert cache.passwords() == before
