"""The pods' addresses."""

from __future__ import annotations

import pytest

from environments.embedded.network import Network
from environments.embedded.node.addresses import AddressPool


def test_addresses_are_unique_and_of_the_network() -> None:
    pool = AddressPool(Network(70).pods)
    taken = [pool.take() for _ in range(200)]
    assert len(set(taken)) == 200
    assert taken[0] == "10.70.64.1"
    assert {Network(70).bound(address)[:7] for address in taken} == {"127.70."}


def test_a_freed_address_is_reused_last_and_exhaustion_is_said() -> None:
    pool = AddressPool("10.70.64.0/30")
    first, second = pool.take(), pool.take()
    with pytest.raises(LookupError, match="every address"):
        pool.take()
    pool.give_back(second)
    pool.give_back(first)
    assert [pool.take(), pool.take()] == [second, first]
