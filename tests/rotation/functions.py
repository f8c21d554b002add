"""The functions as Secrets Manager calls them, on secrets as they are after the deployment."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

import pytest

import database_rotation
import external_rotation
import jwt_rotation
import redis_rotation
import secrets_manager
from deployer import value_forms
from deployer.connections import ServerLogin
from secret_document import rendered
from tests.rotation.in_memory import CURRENT, PENDING, InMemorySecretsManager, StoredSecret
from tests.rotation.runs import Run
from tests.rotation.servers import LOGINS

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
PREFIX = "mita-finance/production/"
DATABASE_TEMPLATE = "postgresql+asyncpg://{username}:{password}@{host}:{port}/{database}"
CACHE_TEMPLATE = "redis://:{password}@{host}:{port}/0"
# Nothing waits in a test: who comes second is refused at once.
_ENVIRONMENT = {"SERVER_TLS": "off", "LOCK_SECONDS": "0", "DRAIN_SECONDS": "0"}


def new_id() -> str:
    """Return a version's id."""
    return str(uuid.uuid4())


class Server(Protocol):
    """What has the credentials that are rotated."""

    server: ServerLogin

    def reset(self, password: str) -> None: ...

    def accepts(self, text: str) -> bool: ...


class Function:
    """One function, with its secret and its settings.

    Attributes:
        store: Secrets Manager.
        secret: The secret that it rotates.
    """

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        module: ModuleType,
        store: InMemorySecretsManager,
        secret: StoredSecret,
        environment: Mapping[str, str],
    ) -> None:
        for name, value in {**_ENVIRONMENT, **environment}.items():
            patch.setenv(name, value)
        patch.setattr(secrets_manager, "client", lambda: store)
        self.store = store
        self.secret = secret
        self._handler: Callable[[Any, object], None] = module.lambda_handler

    def call(self, step: str, token: str) -> None:
        """Do one step."""
        self._handler({"Step": step, "SecretId": self.secret.name, "ClientRequestToken": token}, None)

    def start(self, step: str, token: str) -> Run:
        """Begin one step, which then stops at every call."""
        return Run(f"{step} {token[:4]}", lambda: self.call(step, token))

    def begin(self) -> str:
        """Begin a rotation, as Secrets Manager does."""
        token = new_id()
        self.store.begin(self.secret.name, token)
        return token

    def rotate(self, token: str | None = None) -> str:
        """Do a whole rotation."""
        token = token or self.begin()
        for step in STEPS:
            self.call(step, token)
        return token

    def try_out(self) -> str:
        """Do what Secrets Manager does to test a configuration: testSecret with the value that is current."""
        token = new_id()
        self.store.put_secret_value(
            SecretId=self.secret.name,
            ClientRequestToken=token,
            SecretString=self.secret.text(CURRENT),
            VersionStages=[PENDING],
        )
        self.call("testSecret", token)
        return token


def _login(store: InMemorySecretsManager, server: ServerLogin, name: str) -> str:
    login = {"username": server.username, "password": server.password.get_secret_value()}
    return store.populate(name, new_id(), json.dumps(login)).name


def database_function(patch: pytest.MonkeyPatch, store: InMemorySecretsManager, server: Server) -> Function:
    """Return the function for the database's login."""
    value: dict[str, Any] = {
        "username": "mita_app",
        "password": value_forms.invent("base64-256"),
        "host": server.server.host,
        "port": server.server.port,
        "database": "mita",
    }
    value["connection_string"] = rendered(DATABASE_TEMPLATE, value)
    server.reset(value["password"])
    environment = {
        "MASTER_SECRET_ARN": _login(store, server.server, "database-administrator"),
        "LOGINS": ",".join(LOGINS),
        "CONNECTION_STRING_TEMPLATE": DATABASE_TEMPLATE,
    }
    secret = store.populate(f"{PREFIX}database/primary", new_id(), json.dumps(value))
    return Function(patch, database_rotation, store, secret, environment)


def cache_function(patch: pytest.MonkeyPatch, store: InMemorySecretsManager, server: Server) -> Function:
    """Return the function for the cache's password."""
    value: dict[str, Any] = {
        "password": value_forms.invent("base64-256"),
        "host": server.server.host,
        "port": server.server.port,
    }
    value["connection_string"] = rendered(CACHE_TEMPLATE, value)
    server.reset(value["password"])
    environment = {
        "MASTER_SECRET_ARN": _login(store, server.server, "cache-administrator"),
        "CACHE_USER": "default",
        "CONNECTION_STRING_TEMPLATE": CACHE_TEMPLATE,
    }
    secret = store.populate(f"{PREFIX}cache/redis-auth", new_id(), json.dumps(value))
    return Function(patch, redis_rotation, store, secret, environment)


def jwt_function(patch: pytest.MonkeyPatch, store: InMemorySecretsManager) -> Function:
    """Return the function for the secret that signs tokens."""

    def populate(name: str) -> StoredSecret:
        value = {"value": value_forms.invent("token-256"), "created_at": "2026-01-01T00:00:00Z"}
        return store.populate(f"{PREFIX}auth/{name}", new_id(), json.dumps(value))

    previous, secret = populate("jwt-previous-secret"), populate("jwt-secret")
    return Function(patch, jwt_rotation, store, secret, {"PREVIOUS_SECRET_ID": previous.name})


def external_function(
    patch: pytest.MonkeyPatch, store: InMemorySecretsManager, name: str, forms: Mapping[str, str]
) -> Function:
    """Return the function for a value that somebody else issues."""
    value = {field: value_forms.invent(form) for field, form in forms.items()}
    secret = store.populate(PREFIX + name, new_id(), json.dumps(value))
    environment = {"SECRET_FORMS": json.dumps({PREFIX + name: dict(forms)})}
    return Function(patch, external_rotation, store, secret, environment)
