"""Packages rotate as Lambda runs them: unpacked, in a process of their own, by several Pythons."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uv

from deployer.lambda_package import FUNCTIONS, build
from tests.rotation.functions import (
    STEPS,
    Function,
    cache_function,
    database_function,
    external_function,
    jwt_function,
)
from tests.rotation.in_memory import CURRENT, InMemorySecretsManager
from tests.rotation.served import served
from tests.rotation.servers import Cache, Database
from tests.rotation.test_external import SECRETS, fresh, supply
from tests.rotation.test_packaging import in_the_runtime

pytestmark = pytest.mark.embedded

_PROGRAM = """
import sys, {function}
for step in {steps}:
    {function}.lambda_handler({{"Step": step, "SecretId": {secret!r}, "ClientRequestToken": {token!r}}}, None)
print(sys.version_info[:2])
"""
_HANDED_ON = (
    "MASTER_SECRET_ARN",
    "LOGINS",
    "CONNECTION_STRING_TEMPLATE",
    "CACHE_USER",
    "PREVIOUS_SECRET_ID",
    "SECRET_FORMS",
    "SERVER_TLS",
)


def interpreters() -> dict[str, str]:
    """Return the project's own Python and those between Lambda's 3.11 and it that are on PATH, by version."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    for version in ("3.11", "3.12", "3.13"):
        asked = subprocess.run(
            [uv.find_uv_bin(), "python", "find", "--no-project", "--system", version],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            found[version] = asked.stdout.strip()
    return found


INTERPRETERS = interpreters()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def functions(
    monkeypatch: pytest.MonkeyPatch, store: InMemorySecretsManager, database: Database, cache: Cache
) -> Mapping[str, Callable[[], Function]]:
    openai = "external/openai-api-key"
    return {
        "database_rotation": lambda: database_function(monkeypatch, store, database),
        "redis_rotation": lambda: cache_function(monkeypatch, store, cache),
        "jwt_rotation": lambda: jwt_function(monkeypatch, store),
        "external_rotation": lambda: external_function(monkeypatch, store, openai, SECRETS[openai]),
    }


@pytest.mark.parametrize("version", INTERPRETERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_rotates(
    version: str,
    name: str,
    functions: Mapping[str, Callable[[], Function]],
    store: InMemorySecretsManager,
    packages: Path,
) -> None:
    scratch = packages / f"{name}-{version}"
    function = functions[name]()
    before = function.secret.text(CURRENT)
    token = supply(function, fresh(function)) if name == "external_rotation" else function.begin()
    program = _PROGRAM.format(function=name, steps=STEPS, secret=function.secret.name, token=token)

    with served(store) as url:
        settings = {each: os.environ[each] for each in _HANDED_ON if each in os.environ}
        credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        done = in_the_runtime(
            INTERPRETERS[version],
            build(name, scratch, cache=packages),
            scratch,
            program,
            {"AWS_ENDPOINT_URL": url, **credentials, **settings},
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"({version.replace('.', ', ')})"
    assert function.secret.versions[token].labels == {CURRENT}
    assert function.secret.text(CURRENT) != before
