"""What containers are told to do to themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer.errors import NotReadyError
from environments.disruption import Server
from environments.kind.disruption import Disruptions
from environments.kind.engine import Engine

# Listening; connected; from the server to elsewhere; ending; connected by IPv6.
_CONNECTIONS = """\
  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1538 00000000:0000 0A 00000000:00000000
   1: 050012AC:1538 020012AC:A3C6 01 00000000:00000000
   2: 050012AC:A3C6 020012AC:1538 01 00000000:00000000
   3: 050012AC:1538 020012AC:A3C7 06 00000000:00000000
  sl  local_address                         remote_address                        st tx_queue rx_queue
  10: 0000000000000000FFFF0000050012AC:1538 0000000000000000FFFF0000020012AC:A3C8 01 00000000:00000000
"""


class Container:
    name = "mita-default-postgresql"

    def __init__(self, code: int, output: str) -> None:
        self.answer = (code, output.encode())
        self.asked: list[list[str]] = []

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        self.asked.append(command)
        return self.answer


def disruptions(container: Container) -> Disruptions:
    held = {container.name: container}
    client: Any = SimpleNamespace(containers=SimpleNamespace(get=held.__getitem__))
    return Disruptions(Engine(cast(Any, client), 2), "mita-default")


def test_only_connections_that_were_made_to_the_server_are_counted() -> None:
    assert disruptions(Container(0, _CONNECTIONS)).connected(Server.DATABASE) == 2


def test_a_container_that_does_not_do_what_it_is_told_is_named() -> None:
    with pytest.raises(NotReadyError, match="mita-default-postgresql") as raised:
        disruptions(Container(127, "cat: not found")).connected(Server.DATABASE)
    assert raised.value.seen == "it ended with 127: cat: not found"
