"""Each test runs on uvloop, the host's event loop, and on asyncio's own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
import uvloop

from environments.embedded.network import Network


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
def network() -> Network:
    return Network(80)


@pytest.fixture
def silent_port(network: Network) -> Iterator[tuple[str, int]]:
    """An address that takes connections up to its tiny backlog and leaves later ones hanging."""
    with socket.socket() as listener:
        listener.bind((network.loopback("64.99"), 0))
        listener.listen(0)
        address: tuple[str, int] = listener.getsockname()
        with socket.create_connection(address):
            yield address
