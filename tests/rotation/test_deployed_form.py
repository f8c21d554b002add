"""What a rotation stores is what the deployer wants stored: a plan after it finds nothing to change."""

from __future__ import annotations

import json

import pytest

from deployer import shapes
from deployer.desired import read
from tests.rotation.functions import (
    CACHE_TEMPLATE,
    DATABASE_TEMPLATE,
    PREFIX,
    Function,
    cache_function,
    database_function,
    external_function,
    jwt_function,
)
from tests.rotation.in_memory import CURRENT, InMemorySecretsManager
from tests.rotation.servers import LOGINS, Cache, Database
from tests.rotation.test_external import SECRETS, fresh, supply


def assert_as_desired(function: Function) -> None:
    name = function.secret.name.removeprefix(PREFIX)
    stored = shapes.parse(function.secret.text(CURRENT))
    assert stored is not None
    value = json.loads(function.secret.text(CURRENT))
    facts = {
        f"{kind}.{field}": value[field]
        for kind in ("database", "cache")
        for field in ("host", "port")
        if field in value
    }
    assert shapes.findings(read().secret(name), stored, facts) == []


@pytest.mark.embedded
def test_the_database_login(
    monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager, database: Database
) -> None:
    function = database_function(monkeypatch, store, database)
    for _ in range(2):
        function.rotate()
        assert_as_desired(function)


@pytest.mark.embedded
def test_the_cache_password(
    monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager, cache: Cache
) -> None:
    function = cache_function(monkeypatch, store, cache)
    function.rotate()
    assert_as_desired(function)


def test_the_signing_secret(monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager) -> None:
    function = jwt_function(monkeypatch, store)
    function.rotate()
    assert_as_desired(function)
    function.secret = store.secrets[f"{PREFIX}auth/jwt-previous-secret"]
    assert_as_desired(function)


@pytest.mark.parametrize("name", SECRETS)
def test_supplied_values(monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager, name: str) -> None:
    function = external_function(monkeypatch, store, name, SECRETS[name])
    function.rotate(supply(function, fresh(function)))
    assert_as_desired(function)


def test_the_settings_in_these_tests_are_the_deployers() -> None:
    desired = read()

    def template(name: str) -> str:
        return desired.secret(name).fields["connection_string"].template_with({})

    assert template("database/primary") == DATABASE_TEMPLATE
    assert template("cache/redis-auth") == CACHE_TEMPLATE
    assert desired.secret("database/primary").fields["username"].one_of == LOGINS
    for name, forms in SECRETS.items():
        supplied = {field: each.supply for field, each in desired.secret(name).fields.items()}
        assert json.dumps(supplied) == json.dumps(forms)
