"""Hands out the pods' addresses."""

from __future__ import annotations

import ipaddress
from collections import deque


class AddressPool:
    """The addresses of a network that are free; the one freed last is reused last.

    Args:
        network: In CIDR form; its first and last address are never handed out.
    """

    def __init__(self, network: str) -> None:
        self._network = network
        self._free = deque(str(address) for address in ipaddress.ip_network(network).hosts())

    def take(self) -> str:
        """Return an address that nobody has.

        Raises:
            LookupError: All are taken.
        """
        if not self._free:
            raise LookupError(f"every address of {self._network} is taken")
        return self._free.popleft()

    def give_back(self, address: str) -> None:
        """Let the address be taken again, after all others that are free now."""
        self._free.append(address)
