"""The loopback network that one embedded environment has to itself.

Every address of 127.0.0.0/8 can be bound without privilege, but Kubernetes refuses
loopback addresses for pods, nodes and services.  So each environment claims a number
`n`, records addresses of 10.n.0.0/16 in the API, and binds the same host part in
127.n.0.0/16.  Two environments on one machine differ in `n` and never meet, and the
usual ports can be used inside each.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psutil

from deployer.errors import RefusedError

NUMBERS = range(64, 127)


@dataclass(frozen=True, slots=True)
class Network:
    """The addresses of one environment.

    Attributes:
        number: Second octet of every address, 64 to 126.
    """

    number: int

    def __post_init__(self) -> None:
        if self.number not in NUMBERS:
            msg = f"network number {self.number} is outside 64 to 126"
            raise ValueError(msg)

    def loopback(self, suffix: str) -> str:
        """Return the address to bind for a host part such as ``0.1``."""
        return f"127.{self.number}.{suffix}"

    def recorded(self, suffix: str) -> str:
        """Return the address that the Kubernetes API holds for a host part such as ``0.1``."""
        return f"10.{self.number}.{suffix}"

    def bound(self, address: str) -> str:
        """Translate an address of the Kubernetes API to the one that is really bound.

        Raises:
            ValueError: The address is not one of this environment's.
        """
        if ipaddress.ip_address(address) not in ipaddress.ip_network(f"10.{self.number}.0.0/16"):
            msg = f"{address} is not in 10.{self.number}.0.0/16, the network of this environment"
            raise ValueError(msg)
        return "127" + address.removeprefix("10")

    # Host parts of the servers.  Ports are each server's usual one.
    API_SERVER = "0.1"
    ETCD = "0.2"
    AWS = "0.3"
    DATABASE = "0.4"
    CACHE = "0.5"
    PROMETHEUS = "0.6"
    ALERTMANAGER = "0.7"
    RECEIVERS = "0.8"
    NODE = "0.10"

    @property
    def pods(self) -> str:
        """The pods' range, as the API records it."""
        return f"10.{self.number}.64.0/18"

    @property
    def services(self) -> str:
        """The services' range, as the API records it."""
        return f"10.{self.number}.128.0/17"


type Ports = Collection[tuple[str, int]]

# What the servers of an environment listen on.  Every port is tried before a number is
# taken, because a server of the machine's owner may listen on all addresses.
PORTS: Ports = (
    (Network.API_SERVER, 6443),
    (Network.API_SERVER, 10257),
    (Network.API_SERVER, 10259),
    (Network.ETCD, 2379),
    (Network.ETCD, 2380),
    (Network.AWS, 4566),
    (Network.DATABASE, 5432),
    (Network.CACHE, 6379),
    (Network.PROMETHEUS, 9090),
    (Network.ALERTMANAGER, 9093),
    (Network.RECEIVERS, 8080),
    (Network.NODE, 10250),
)


class NetworkClaim:
    """A network that no other environment has, for as long as this object or its process lives.

    The claim is an abstract Unix socket name: unique among everything that shares the
    loopback interface, whoever runs it, and freed by the kernel when its holder dies.

    Attributes:
        network: The network.
    """

    def __init__(self, network: Network) -> None:
        """Claim one network.

        Raises:
            OSError: ``EADDRINUSE``: another environment has it.
        """
        self.network = network
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind(f"\0mita-network-{network.number}")
        except OSError:
            self._socket.close()
            raise

    def release(self) -> None:
        """Let others have the network."""
        self._socket.close()


def claim_network(numbers: Iterable[int] = NUMBERS, ports: Ports = PORTS) -> NetworkClaim:
    """Claim the first network whose number is free and whose addresses nobody listens on.

    Args:
        numbers: Numbers to choose from.
        ports: Host parts and ports that have to be free.

    Raises:
        RefusedError: No number is free, or a foreign server holds one of our ports on
            all addresses, or on all of the networks that were tried.
    """
    taken: tuple[str, int] | None = None
    for number in numbers:
        try:
            claim = NetworkClaim(Network(number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        taken = _first_taken(claim.network, ports)
        if taken is None:
            return claim
        claim.release()
        if _listener(*taken).wildcard:
            break
    if taken is None:
        raise RefusedError(
            "network of the environment",
            expected="a number from 64 to 126 that no other environment has",
            seen="every one that may be used is in use",
            remedy="Stop an environment that is no longer needed (mita down), then try again.",
        )
    address, port = taken
    raise RefusedError(
        f"{address}:{port}",
        expected="nobody listening there",
        seen=f"it is taken by {_listener(address, port).description}",
        remedy=f"Stop that server, or let it listen on its own address only; see: ss -ltnp 'sport = :{port}'",
    )


def _first_taken(network: Network, ports: Ports) -> tuple[str, int] | None:
    for suffix, port in ports:
        address = network.loopback(suffix)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # With it, connections that an earlier server left in TIME_WAIT do not count; a listener does.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return address, port
    return None


@dataclass(frozen=True, slots=True)
class _Listener:
    description: str
    wildcard: bool


def _listener(address: str, port: int) -> _Listener:
    wildcards = ("0.0.0.0", "::")  # noqa: S104  looked for, not bound
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        if connection.laddr.ip in (address, *wildcards):
            owner = "a process of another user" if connection.pid is None else _named(connection.pid)
            wildcard = connection.laddr.ip in wildcards
            where = f"listening on all addresses ({connection.laddr.ip})" if wildcard else "listening there"
            return _Listener(f"{owner}, {where}", wildcard)
    return _Listener("a server that /proc does not show", wildcard=False)


def _named(pid: int) -> str:
    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.NoSuchProcess:
        return f"process {pid}"
