"""Values that somebody else issues are promoted when they are there and have their form."""

from __future__ import annotations

import json

import pytest

from deployer import value_forms
from rotation_errors import ConfigurationError, InvalidSecretError, RefusedError
from tests.rotation.functions import STEPS, Function, external_function, new_id
from tests.rotation.in_memory import CURRENT, PENDING, PREVIOUS, InMemorySecretsManager

SECRETS = {
    "external/openai-api-key": {"value": "openai-api-key"},
    "monitoring/sentry-dsn": {"value": "sentry-dsn"},
    "notifications/smtp-credentials": {"username": "smtp-username", "password": "sendgrid-api-key"},
}


@pytest.fixture(params=SECRETS)
def function(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager
) -> Function:
    return external_function(monkeypatch, store, request.param, SECRETS[request.param])


def supply(function: Function, value: object) -> str:
    token = new_id()
    function.store.put_secret_value(
        SecretId=function.secret.name,
        ClientRequestToken=token,
        SecretString=json.dumps(value),
        VersionStages=[PENDING],
    )
    return token


def fresh(function: Function) -> dict[str, str]:
    forms = SECRETS[function.secret.name.removeprefix("mita-finance/production/")]
    return {name: value_forms.invent(form) for name, form in forms.items()}


def test_a_supplied_value_is_promoted(function: Function) -> None:
    before, value = function.secret.text(CURRENT), fresh(function)

    token = function.rotate(supply(function, value))

    assert json.loads(function.secret.text(CURRENT)) == value
    assert function.secret.text(PREVIOUS) == before
    assert function.secret.versions[token].labels == {CURRENT}


def test_without_a_supplied_value_it_refuses_and_goes_on_once_there_is_one(function: Function) -> None:
    token = function.begin()
    for step in STEPS:
        with pytest.raises(RefusedError):
            function.call(step, token)
    with pytest.raises(RefusedError, match="operator stored with AWSPENDING"):
        function.call("createSecret", token)

    value = fresh(function)
    function.store.put_secret_value(
        SecretId=function.secret.name,
        ClientRequestToken=token,
        SecretString=json.dumps(value),
        VersionStages=[PENDING],
    )
    function.rotate(token)
    assert json.loads(function.secret.text(CURRENT)) == value


@pytest.mark.parametrize(
    "broken",
    [
        {"value": "YOUR_ACTUAL_KEY", "username": "apikey", "password": "YOUR_ACTUAL_KEY"},
        {"value": "no such form", "username": "apikey", "password": "no such form"},
        {"something": "else"},
        ["a list"],
        "a text",
        {"value": True},
    ],
)
def test_a_value_of_another_form_is_refused(function: Function, broken: object) -> None:
    current, expected = function.secret.holder(CURRENT), fresh(function)
    value = (
        {name: each for name, each in broken.items() if name in expected}
        if isinstance(broken, dict)
        else broken
    )
    token = supply(function, value)

    for step in STEPS[1:]:
        with pytest.raises(InvalidSecretError):
            function.call(step, token)

    assert function.secret.holder(CURRENT) == current


def test_the_current_value_is_no_new_one(function: Function) -> None:
    token = supply(function, json.loads(function.secret.text(CURRENT)))

    for step in ("setSecret", "finishSecret"):
        with pytest.raises(InvalidSecretError, match="the current one"):
            function.call(step, token)


def test_a_configuration_can_be_tried_out(function: Function) -> None:
    token = function.try_out()

    assert function.secret.versions[token].labels == {PENDING}


def test_a_secret_without_forms_is_refused(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    token = supply(function, fresh(function))
    for forms in ("{}", "no JSON", '{"name": {"value": "unknown"}}', "[]"):
        monkeypatch.setenv("SECRET_FORMS", forms)
        with pytest.raises(ConfigurationError, match="SECRET_FORMS"):
            function.call("testSecret", token)
