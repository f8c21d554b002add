from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from deployer.errors import RefusedError
from environments.embedded.network import PORTS, Network, claim_network

from .conftest import NUMBERS

# Below the range of ephemeral ports, and nobody's usual one.
PORT = 17461

CLAIM = """
import sys
from environments.embedded.network import claim_network
claim = claim_network(range(64, 70), ())
print(claim.network.number, flush=True)
sys.stdin.read()
"""


def _claimant() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _number(claimant: subprocess.Popen[str]) -> int:
    assert claimant.stdout is not None
    return int(claimant.stdout.readline())


def _end(claimant: subprocess.Popen[str]) -> None:
    claimant.kill()
    claimant.communicate()


def test_processes_that_claim_at_once_get_different_numbers() -> None:
    claimants = [_claimant() for _ in range(3)]
    try:
        numbers = [_number(claimant) for claimant in claimants]
    finally:
        for claimant in claimants:
            _end(claimant)
    assert len(set(numbers)) == 3
    assert set(numbers) <= set(NUMBERS)


def test_a_killed_holder_frees_its_number() -> None:
    claimant = _claimant()
    number = _number(claimant)
    with pytest.raises(RefusedError, match="a number from 64 to 126"):
        claim_network([number], ())
    _end(claimant)
    claim_network([number], ()).release()


def test_a_listener_on_one_network_makes_the_next_be_chosen() -> None:
    ports = [(Network.DATABASE, PORT)]
    first = claim_network(NUMBERS, ports)
    first.release()
    with socket.create_server((first.network.loopback(Network.DATABASE), PORT)):
        second = claim_network(NUMBERS, ports)
        second.release()
    assert second.network.number != first.network.number


def test_a_listener_on_all_addresses_is_named() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", PORT))  # noqa: S104  the very fault that is planted
        listener.listen()
        with pytest.raises(RefusedError) as raised:
            claim_network(NUMBERS, [(Network.API_SERVER, PORT)])
    assert raised.value.subject.endswith(f".0.1:{PORT}")
    assert f"process {os.getpid()}" in raised.value.seen
    assert "all addresses" in raised.value.seen
    assert str(PORT) in raised.value.remedy


def test_the_api_servers_port_is_tried() -> None:
    assert (Network.API_SERVER, 6443) in PORTS


def test_a_connection_in_time_wait_does_not_count() -> None:
    claim = claim_network(NUMBERS, ())
    address = claim.network.loopback(Network.ETCD)
    with socket.create_server((address, PORT)) as server:
        client = socket.create_connection((address, PORT))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the address in TIME_WAIT
        client.close()
    number = claim.network.number
    claim.release()
    again = claim_network([number], [(Network.ETCD, PORT)])
    again.release()
    assert again.network.number == number
