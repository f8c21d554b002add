from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.rotation.in_memory import InMemorySecretsManager
from tests.rotation.servers import Cache, Database, Servers, running_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with running_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def database(servers: Servers) -> Iterator[Database]:
    database = Database(servers.database)
    with closing(database.administrator):
        yield database


@pytest.fixture(scope="session")
def cache(servers: Servers) -> Iterator[Cache]:
    cache = Cache(servers.cache)
    with closing(cache.administrator):
        yield cache


@pytest.fixture
def store() -> InMemorySecretsManager:
    return InMemorySecretsManager()
