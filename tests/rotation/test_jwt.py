"""The secret that signs tokens rotates, and the one before it is held beside it."""

from __future__ import annotations

import json

import pytest

from rotation_errors import ChangedMeanwhileError, InvalidSecretError, NotAcceptedError, RotationError
from tests.rotation.functions import PREFIX, Function, jwt_function, new_id
from tests.rotation.in_memory import CURRENT, InMemorySecretsManager, StoredSecret
from tests.rotation.runs import Run


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager) -> Function:
    return jwt_function(monkeypatch, store)


def previous(function: Function) -> StoredSecret:
    return function.store.secrets[f"{PREFIX}auth/jwt-previous-secret"]


def test_the_current_value_becomes_the_previous_one(function: Function) -> None:
    for _ in range(3):
        value = function.secret.text(CURRENT)
        token = function.rotate()
        assert previous(function).text(CURRENT) == value
        assert function.secret.versions[token].labels == {CURRENT}
        assert json.loads(function.secret.text(CURRENT))["value"] != json.loads(value)["value"]


def test_the_new_value_is_not_current_before_the_old_one_is_kept(function: Function) -> None:
    token = function.begin()
    function.call("createSecret", token)

    for step in ("testSecret", "finishSecret"):
        with pytest.raises(NotAcceptedError, match="jwt-previous-secret"):
            function.call(step, token)

    assert function.secret.holder(CURRENT) != token


def test_a_late_run_does_not_bring_an_older_value_back(function: Function) -> None:
    for places in range(40):
        token = function.begin()
        function.call("createSecret", token)
        late = function.start("setSecret", token)
        function.store.gate = Run.gate
        for _ in range(places):
            late.advance()
        for step in ("setSecret", "testSecret", "finishSecret"):
            function.call(step, token)
        function.rotate()
        value = previous(function).text(CURRENT)

        late.to_the_end()

        assert previous(function).text(CURRENT) == value, late
        assert isinstance(late.error, RotationError | None)
        function.store.gate = lambda _place: None


def test_what_is_pending_must_be_new_and_strong(function: Function) -> None:
    for value, seen in (
        ("short", "not in that encoding|only"),
        (json.loads(function.secret.text(CURRENT))["value"], "the current one"),
    ):
        token = new_id()
        function.store.put_secret_value(
            SecretId=function.secret.name,
            ClientRequestToken=token,
            SecretString=json.dumps({"value": value}),
            VersionStages=["AWSPENDING"],
        )
        with pytest.raises(InvalidSecretError, match=seen) as caught:
            function.call("setSecret", token)
        assert value not in str(caught.value)


def test_a_configuration_can_be_tried_out(function: Function) -> None:
    token = function.try_out()

    assert function.secret.versions[token].labels == {"AWSPENDING"}
    with pytest.raises(InvalidSecretError, match="the current one"):
        function.call("finishSecret", token)


def test_an_overtaken_rotation_stops(function: Function) -> None:
    token = function.begin()
    function.call("createSecret", token)
    overtaken = function.start("setSecret", token)
    function.store.gate = Run.gate
    values = 0
    while values < 3:  # the current, the pending and the previous one
        overtaken.advance()
        values += overtaken.place == "after GetSecretValue"

    function.rotate()
    overtaken.to_the_end()

    assert isinstance(overtaken.error, ChangedMeanwhileError)


def test_a_late_end_of_a_rotation_leaves_nobody_without_a_key(function: Function) -> None:
    """Tokens signed by what was current last are accepted, wherever the late run was overtaken."""
    for places in range(40):
        token = function.begin()
        for step in ("createSecret", "setSecret", "testSecret"):
            function.call(step, token)
        late = function.start("finishSecret", token)
        function.store.gate = Run.gate
        for _ in range(places):
            late.advance()
        function.rotate()

        late.to_the_end()

        assert previous(function).text(CURRENT) == function.secret.text("AWSPREVIOUS"), late
        function.store.gate = lambda _place: None
