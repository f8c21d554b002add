"""The service proxy against real sockets and a watch that the test plays."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from environments.embedded.network import Network
from environments.embedded.node import services
from environments.embedded.node.api import ApiError, Object
from environments.embedded.node.services import ServiceProxy
from tests.node_network.objects import FakeApi, endpoint, endpoint_slice, port, service
from tests.node_network.streams import Answer, backend, echo, eventually

SERVICE = ("127.80.128.5", 8080)
PORT = 18000
"""The port of every endpoint; each has an address of its own."""


class Played:
    """A running proxy and the API that it watches."""

    def __init__(self, api: FakeApi, proxy: ServiceProxy) -> None:
        self.api, self.proxy = api, proxy

    async def serve(self, *endpoints: Object, web: Object | None = None) -> None:
        """Make a service of these endpoints and wait until it is reachable."""
        self.api.tell(web or service("web", "10.80.128.5", port(8080)))
        self.endpoints(*endpoints)
        await eventually(lambda: listens(SERVICE), what="the service listens")

    def endpoints(self, *endpoints: Object) -> None:
        self.api.tell(endpoint_slice(*endpoints, ports=[port(PORT)]), "MODIFIED")


@pytest.fixture
async def played(network: Network) -> AsyncIterator[Played]:
    before = asyncio.all_tasks()
    api = FakeApi()
    proxy = ServiceProxy(api, network)
    await proxy.start()
    yield Played(api, proxy)
    async with asyncio.timeout(5):
        await proxy.stop()
    assert not listens(SERVICE)
    assert len(proxy._connections) == 0
    leaked = {
        task for task in asyncio.all_tasks() - before if "node.s" in repr(task) or "forwarder" in repr(task)
    }
    assert not leaked


def listens(address: tuple[str, int]) -> bool:
    """Whether a socket listens, without connecting to it."""
    host, number = address
    wanted = f"{socket.inet_aton(host)[::-1].hex().upper()}:{number:04X}"
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
    return any(fields[1] == wanted and fields[3] == "0A" for fields in sockets)


async def greet(name: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say a name, then echo."""
    writer.write(name)
    await echo(reader, writer)


def named(name: str) -> Answer:
    return lambda reader, writer: greet(name.encode(), reader, writer)


async def who(address: tuple[str, int] = SERVICE) -> str:
    reader, writer = await asyncio.open_connection(*address)
    try:
        return (await reader.readexactly(1)).decode()
    finally:
        writer.close()


async def test_connections_go_to_the_ready_endpoints_in_turn(played: Played) -> None:
    async with (
        backend("127.80.64.1", named("a"), PORT),
        backend("127.80.64.2", named("b"), PORT),
        backend("127.80.64.3", named("c"), PORT),
    ):
        await played.serve(
            endpoint("10.80.64.1", ready=True),
            endpoint("10.80.64.2", ready=True),
            endpoint("10.80.64.3", ready=False, serving=False),
        )
        assert Counter([await who() for _ in range(10)]) == {"a": 5, "b": 5}


async def test_no_ready_endpoint_refuses_at_once_and_recovers(played: Played) -> None:
    async with backend("127.80.64.1", named("a"), PORT) as server:
        await played.serve(endpoint("10.80.64.1"))
        for _ in range(3):
            played.endpoints(endpoint("10.80.64.1", ready=False, serving=False))
            await eventually(lambda: not listens(SERVICE), what="nothing listens")
            with pytest.raises(ConnectionRefusedError):
                await who()
            played.endpoints(endpoint("10.80.64.1", ready=True))
            await eventually(lambda: listens(SERVICE), what="the service listens again")
            assert await who() == "a"
        assert server.accepted == 3
    assert played.api.warnings == []


async def test_an_endpoint_that_refuses_is_passed_over(played: Played) -> None:
    async with backend("127.80.64.2", named("b"), PORT):
        await played.serve(endpoint("10.80.64.1"), endpoint("10.80.64.2"))
        assert [await who() for _ in range(4)] == ["b"] * 4


async def test_an_endpoint_that_does_not_answer_is_passed_over(
    played: Played, silent_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("environments.embedded.node.splice.CONNECT_SECONDS", 0.2)
    host, number = silent_port
    async with backend("127.80.64.2", named("b"), number):
        played.api.tell(service("web", "10.80.128.5", port(8080)))
        played.api.tell(
            endpoint_slice(
                endpoint("10" + host.removeprefix("127")), endpoint("10.80.64.2"), ports=[port(number)]
            )
        )
        await eventually(lambda: listens(SERVICE), what="the service listens")
        assert [await who() for _ in range(2)] == ["b", "b"]


async def test_when_every_endpoint_refuses_the_connection_is_reset(played: Played) -> None:
    await played.serve(endpoint("10.80.64.1"), endpoint("10.80.64.2"))
    reader, writer = await asyncio.open_connection(*SERVICE)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_what_a_client_sends_before_the_endpoint_answers_arrives(played: Played) -> None:
    """A refusing endpoint comes first, so that the client's bytes are there before there is a peer."""
    async with backend("127.80.64.2", port=PORT):
        await played.serve(endpoint("10.80.64.1"), endpoint("10.80.64.2"))
        for _ in range(20):
            reader, writer = await asyncio.open_connection(*SERVICE)
            writer.write(b"question" * 1000)
            writer.write_eof()
            assert await reader.read() == b"question" * 1000
            writer.close()


async def test_a_client_that_ends_before_the_endpoint_answers_gets_its_answer(
    played: Played, silent_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("environments.embedded.node.splice.CONNECT_SECONDS", 0.2)
    silent = "10" + silent_port[0].removeprefix("127")
    async with backend("127.80.64.2", port=silent_port[1]):
        played.api.tell(service("web", "10.80.128.5", port(8080)))
        played.api.tell(
            endpoint_slice(endpoint(silent), endpoint("10.80.64.2"), ports=[port(silent_port[1])])
        )
        await eventually(lambda: listens(SERVICE), what="the service listens")
        reader, writer = await asyncio.open_connection(*SERVICE)
        writer.write_eof()
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_a_stop_resets_open_connections(played: Played) -> None:
    async with backend("127.80.64.1", named("a"), PORT):
        await played.serve(endpoint("10.80.64.1"))
        reader, writer = await asyncio.open_connection(*SERVICE)
        assert await reader.readexactly(1) == b"a"
        await played.proxy.stop()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


@pytest.mark.parametrize("change", ["unready", "gone", "deleted"])
async def test_established_connections_outlive_the_change(played: Played, change: str) -> None:
    web = service("web", "10.80.128.5", port(8080))
    async with backend("127.80.64.1", port=PORT):
        await played.serve(endpoint("10.80.64.1"), web=web)
        reader, writer = await asyncio.open_connection(*SERVICE)
        writer.write(b"1")
        assert await reader.readexactly(1) == b"1"
        match change:
            case "unready":
                played.endpoints(endpoint("10.80.64.1", ready=False, serving=False))
            case "gone":
                played.endpoints()
            case _:
                played.api.tell(web, "DELETED")
        await eventually(lambda: not listens(SERVICE), what="nothing listens")
        writer.write(b"2")
        assert await reader.readexactly(1) == b"2"
        played.api.tell(web)
        played.endpoints(endpoint("10.80.64.1"))
        await eventually(lambda: listens(SERVICE), what="it listens beside the old connection")
        writer.write(b"3")
        assert await reader.readexactly(1) == b"3"
        writer.close()


async def test_a_service_that_changes_its_port_is_served_at_the_new_one_only(played: Played) -> None:
    async with backend("127.80.64.1", named("a"), PORT):
        await played.serve(endpoint("10.80.64.1"))
        played.api.tell(service("web", "10.80.128.5", port(8081)), "MODIFIED")
        await eventually(lambda: listens(("127.80.128.5", 8081)), what="the new port listens")
        assert not listens(SERVICE)
        assert await who(("127.80.128.5", 8081)) == "a"


async def test_an_address_passes_from_a_deleted_service_to_a_new_one(played: Played) -> None:
    first, second = service("web", "10.80.128.5", port(8080)), service("shop", "10.80.128.5", port(8080))
    async with backend("127.80.64.1", named("a"), PORT), backend("127.80.64.2", named("b"), PORT):
        await played.serve(endpoint("10.80.64.1"), web=first)
        played.api.tell(endpoint_slice(endpoint("10.80.64.2"), ports=[port(PORT)], of="shop", name="shop-1"))
        played.api.tell(first, "DELETED")
        played.api.tell(second)
        await eventually(
            lambda: played.proxy._forwarders.keys() == {("shop", "shop")} and listens(SERVICE),
            what="the new one listens",
        )
        assert await who() == "b"
    assert played.api.warnings == []


async def test_a_service_without_selector_leads_to_its_handmade_endpoint(played: Played) -> None:
    async with backend("127.80.0.1", named("k"), 16443):
        played.api.tell(service("kubernetes", "10.80.128.1", port(1443, "https")))
        played.api.tell(
            endpoint_slice(
                endpoint("10.80.0.1", ready=True),
                ports=[port(16443, "https")],
                of="kubernetes",
                name="kubernetes",
            )
        )
        await eventually(lambda: listens(("127.80.128.1", 1443)), what="the service listens")
        assert await who(("127.80.128.1", 1443)) == "k"


async def test_what_is_unsupported_is_one_warning_event_on_the_service(played: Played) -> None:
    async with backend("127.80.64.1", named("a"), PORT):
        web = service("web", "10.80.128.5", port(8080), type="NodePort", sessionAffinity="ClientIP")
        await played.serve(endpoint("10.80.64.1"), web=web)
        await eventually(lambda: len(played.api.created) == 2, what="two events")
        played.api.tell(web, "MODIFIED")
        played.endpoints(endpoint("10.80.64.1"), endpoint("10.80.64.2"))
        await eventually(played.proxy._changed.empty, what="all is applied")
        assert await who() == "a"
    assert sorted(message.split(":")[0] for _, message in played.api.warnings) == [
        "sessionAffinity ClientIP",
        "type NodePort",
    ]
    path, event = played.api.created[0]
    assert path == "/api/v1/namespaces/shop/events"
    assert (event["type"], event["reason"]) == ("Warning", "Unsupported")
    assert event["involvedObject"]["uid"] == "uid-web"
    assert event["metadata"]["namespace"] == "shop"


async def test_a_taken_port_is_told_and_tried_again(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "RETRY_SECONDS", 0.05)
    async with backend("127.80.64.1", named("a"), PORT):
        async with backend(*SERVICE[:1], named("x"), SERVICE[1]):
            played.api.tell(service("web", "10.80.128.5", port(8080)))
            played.endpoints(endpoint("10.80.64.1"))
            await eventually(lambda: bool(played.api.created), what="an event")
        reason, message = played.api.warnings[0]
        assert reason == "PortUnavailable"
        assert "127.80.128.5:8080" in message
        assert "another program listens there" in message
        await eventually(lambda: listens(SERVICE), what="the service listens")
        assert await who() == "a"
    assert len(played.api.created) == 1


async def test_a_port_without_privilege_is_told_before_it_has_endpoints(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.socket.bind

    def as_another_user(self: socket.socket, address: tuple[str, int]) -> None:
        if address[1] == 443:
            raise PermissionError(13, "Permission denied")
        real(self, address)

    monkeypatch.setattr(socket.socket, "bind", as_another_user)
    played.api.tell(service("web", "10.80.128.5", port(443)))
    await eventually(lambda: bool(played.api.created), what="an event")
    reason, message = played.api.warnings[0]
    assert reason == "PortUnavailable"
    assert "127.80.128.5:443" in message
    assert "net.ipv4.ip_unprivileged_port_start=443" in message


async def test_one_port_that_is_taken_leaves_the_others_served(played: Played) -> None:
    other = (SERVICE[0], 8081)
    async with backend("127.80.64.1", named("a"), PORT), backend(*SERVICE[:1], named("x"), SERVICE[1]):
        played.api.tell(service("web", "10.80.128.5", port(8080, "one"), port(8081, "two")))
        played.api.tell(endpoint_slice(endpoint("10.80.64.1"), ports=[port(PORT, "one"), port(PORT, "two")]))
        await eventually(lambda: listens(other), what="the other port listens")
        assert await who(other) == "a"
    await played.proxy.stop()


async def test_an_event_that_is_refused_does_not_stop_the_proxy(played: Played) -> None:
    played.api.refuse = lambda: ApiError(403, "Forbidden", "namespace is being terminated")
    async with backend("127.80.64.1", named("a"), PORT):
        played.api.tell(service("web", "10.80.128.5", port(8080), type="NodePort"))
        await eventually(lambda: played.api.refused == 1, what="the event was refused")
        await asyncio.sleep(0)
        played.endpoints(endpoint("10.80.64.1"))
        await eventually(lambda: listens(SERVICE), what="the service listens")
        assert await who() == "a"


async def test_an_object_that_makes_no_sense_does_not_stop_the_proxy(
    played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    played.api.tell(service("alien", "10.99.128.5", port(8080)))
    async with backend("127.80.64.1", named("a"), PORT):
        await played.serve(endpoint("10.80.64.1"))
        assert await who() == "a"
    assert "shop/alien" in caplog.text


async def test_small_answers_are_not_held_back(played: Played) -> None:
    async with backend("127.80.64.1", port=PORT):
        await played.serve(endpoint("10.80.64.1"))
        reader, writer = await asyncio.open_connection(*SERVICE)
        writer.write(b"x")
        await reader.readexactly(1)
        sides = list(played.proxy._connections._sides)
        assert len(sides) == 2
        for side in sides:
            own = side.transport.get_extra_info("socket")
            assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        writer.close()


async def test_a_large_transfer_arrives_whole_both_ways_at_once(played: Played) -> None:
    async with backend("127.80.64.1", port=PORT):
        await played.serve(endpoint("10.80.64.1"))
        payload = bytes(range(256)) * (1 << 16)
        reader, writer = await asyncio.open_connection(*SERVICE)

        async def send() -> None:
            writer.write(payload)
            await writer.drain()
            writer.write_eof()

        _, received = await asyncio.gather(send(), reader.read())
        assert received == payload
        writer.close()
