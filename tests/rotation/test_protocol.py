"""The protocol's own rules, shown on the secret that signs tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deployer import shapes
from rotation_errors import (
    ConfigurationError,
    EventError,
    InvalidSecretError,
    RefusedError,
    RotationError,
    ServiceError,
    UnexpectedError,
)
from secret_document import rendered
from tests.rotation.functions import STEPS, Function, jwt_function, new_id
from tests.rotation.in_memory import CURRENT, PENDING, PREVIOUS, InMemorySecretsManager
from tests.rotation.runs import Died, Run


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager) -> Function:
    return jwt_function(monkeypatch, store)


def values(function: Function) -> list[str]:
    return [json.loads(text)["value"] for text in function.store.born]


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"Step": "createSecret"},
        {"Step": "dropSecret", "SecretId": "s", "ClientRequestToken": "t" * 32},
        {"Step": ["createSecret"], "SecretId": "s", "ClientRequestToken": "t" * 32},
        {"Step": "createSecret", "SecretId": "", "ClientRequestToken": "t" * 32},
        {"Step": "createSecret", "SecretId": "s", "ClientRequestToken": "t" * 31},
        {"Step": "createSecret", "SecretId": "s", "ClientRequestToken": "t" * 65},
        {"Step": "createSecret", "SecretId": "s", "ClientRequestToken": 32},
    ],
)
def test_an_event_of_another_kind_is_refused(function: Function, event: object) -> None:
    calls: list[str] = []
    function.store.gate = calls.append

    with pytest.raises(EventError, match="the event: expected"):
        function._handler(event, None)

    assert not calls


@pytest.mark.parametrize("step", STEPS)
def test_an_unknown_token_is_refused(function: Function, step: str) -> None:
    with pytest.raises(RefusedError, match="expected a version of that id; seen none"):
        function.call(step, new_id())


@pytest.mark.parametrize("step", STEPS)
def test_a_version_with_another_label_is_refused(function: Function, step: str) -> None:
    function.rotate()
    token = function.secret.holder(PREVIOUS)
    assert token is not None

    with pytest.raises(RefusedError, match="expected the label AWSPENDING; seen AWSPREVIOUS"):
        function.call(step, token)


@pytest.mark.parametrize("step", STEPS)
def test_a_secret_that_does_not_rotate_is_refused(function: Function, step: str) -> None:
    token = function.begin()
    function.secret.rotates = False

    with pytest.raises(RefusedError, match="expected rotation to be enabled"):
        function.call(step, token)


@pytest.mark.parametrize("step", STEPS[1:])
def test_no_step_comes_before_createSecret(function: Function, step: str) -> None:  # noqa: N802  the step's name
    with pytest.raises(RefusedError, match="expected a value; seen none yet"):
        function.call(step, function.begin())


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("text", ["garbled", "[]", '"text"', "{}", '{"value": null}', '{"value": 1.5}'])
def test_a_malformed_current_value_is_refused(function: Function, step: str, text: str) -> None:
    token = function.begin()
    if step != STEPS[0]:
        function.call(STEPS[0], token)
    holder = function.secret.holder(CURRENT)
    assert holder is not None
    function.secret.versions[holder].text = text

    with pytest.raises(InvalidSecretError) as caught:
        function.call(step, token)
    assert text not in str(caught.value)


def test_a_value_once_made_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other is offered, that Secrets Manager would have to turn away."""
    function = jwt_function(monkeypatch, InMemorySecretsManager(like_localstack=True))
    token = function.begin()
    function.call("createSecret", token)
    text, born = function.secret.text(PENDING), set(function.store.born)

    function.call("createSecret", token)

    assert function.secret.text(PENDING) == text
    assert function.store.born == born


def test_two_at_once_make_one_value(function: Function) -> None:
    token = function.begin()
    function.store.gate = Run.gate
    one, other = function.start("createSecret", token), function.start("createSecret", token)
    while one.place != "before PutSecretValue":
        one.advance()
    other.to_the_end()
    text = function.secret.text(PENDING)

    one.to_the_end()

    assert one.error is None
    assert function.secret.text(PENDING) == text


def test_only_the_last_step_moves_the_label(function: Function) -> None:
    token, before = function.begin(), function.secret.holder(CURRENT)
    for step in STEPS[:3]:
        function.call(step, token)
        assert function.secret.holder(CURRENT) == before
        assert function.secret.versions[token].labels == {PENDING}

    function.call("finishSecret", token)

    assert function.secret.holder(CURRENT) == token


def test_every_step_may_come_again_after_the_end(function: Function) -> None:
    token = function.rotate()
    labels = {key: set(each.labels) for key, each in function.secret.versions.items()}

    for step in STEPS:
        function.call(step, token)

    assert {key: set(each.labels) for key, each in function.secret.versions.items()} == labels


@pytest.mark.parametrize("step", STEPS)
def test_a_step_cut_short_anywhere_is_taken_up_again(function: Function, step: str) -> None:
    places = 0
    while True:
        token, before = function.begin(), function.secret.text(CURRENT)
        for earlier in STEPS[: STEPS.index(step)]:
            function.call(earlier, token)
        function.store.gate = Run.gate
        run = function.start(step, token)
        for _ in range(places):
            run.advance()
        if run.over:
            return
        run.die()
        assert isinstance(run.error, Died | None)
        assert function.secret.holder(CURRENT) in {token} | set(function.secret.holders(CURRENT))
        assert len(function.secret.holders(CURRENT)) == 1

        function.rotate(token)

        assert function.secret.versions[token].labels == {CURRENT}
        assert function.secret.text(PREVIOUS) == before
        places += 1


def test_no_value_is_logged(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    function.rotate()
    with pytest.raises(RotationError):
        function.call("testSecret", new_id())

    lines = capsys.readouterr().out.splitlines()
    logged = [json.loads(line) for line in lines]
    assert [(each["step"], each["outcome"]) for each in logged] == [
        *((step, outcome) for step in STEPS for outcome in ("started", "done")),
        ("testSecret", "started"),
        ("testSecret", "failed"),
    ]
    assert logged[-1]["error"] == "RefusedError"
    assert all({"time", "secret", "version"} <= each.keys() for each in logged)
    assert not any(value in line for value in values(function) for line in lines)


def test_an_unforeseen_error_shows_its_type_and_place_only(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    value = values(function)[0]

    def gate(_place: str) -> None:
        raise RuntimeError(f"about {value}")

    function.store.gate = gate
    with pytest.raises(
        UnexpectedError, match="createSecret: expected to be done; seen RuntimeError"
    ) as caught:
        function.call("createSecret", function.begin())

    assert value not in str(caught.value)
    assert caught.value.__suppress_context__
    out = capsys.readouterr().out
    assert value not in out
    assert json.loads(out.splitlines()[-1])["places"][-1].startswith(__file__)


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "x"), "ThrottlingException"),
        (EndpointConnectionError(endpoint_url="http://somewhere"), "EndpointConnectionError"),
    ],
)
def test_what_the_service_says_is_told_by_its_code(function: Function, error: Exception, seen: str) -> None:
    def gate(_place: str) -> None:
        raise error

    function.store.gate = gate
    with pytest.raises(ServiceError, match=f"an answer to DescribeSecret; seen {seen}"):
        function.call("createSecret", function.begin())


def test_a_missing_setting_is_named(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREVIOUS_SECRET_ID")

    with pytest.raises(ConfigurationError, match="PREVIOUS_SECRET_ID: expected an environment variable"):
        function.call("createSecret", function.begin())


@given(
    st.dictionaries(
        st.sampled_from(("username", "password", "host")), st.text(max_size=20), min_size=3, max_size=3
    )
)
def test_connection_strings_are_made_as_the_deployer_makes_them(fields: dict[str, Any]) -> None:
    template = "postgresql://{username}:{password}@{host}:{port}/mita"
    fields["port"] = 5432
    covered = {name: SecretStr(each) if isinstance(each, str) else each for name, each in fields.items()}

    assert rendered(template, fields) == shapes.derived(template, covered).get_secret_value()


@pytest.mark.parametrize("template", ["{other}", "{", "{0}", "{}"])
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError, match="CONNECTION_STRING_TEMPLATE"):
        rendered(template, {"password": "secret-of-a-test"})
