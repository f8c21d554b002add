"""The CONNECT proxy: where it leads, where it does not, and what it leaves behind."""

from __future__ import annotations

import asyncio
import logging
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from environments.embedded.network import Network
from environments.embedded.node import egress, splice
from environments.embedded.node.egress import EgressProxy
from environments.embedded.node.splice import AcceptedSide
from tests.node_network.streams import backend, eventually

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def proxy(network: Network, tmp_path: Path) -> AsyncIterator[EgressProxy]:
    before = asyncio.all_tasks()
    proxy = EgressProxy(network, tmp_path / "egress.sock")
    await proxy.start()
    yield proxy
    await proxy.stop()
    assert len(proxy._connections) == 0
    leaked = {task for task in asyncio.all_tasks() - before if "egress" in repr(task.get_coro())}
    assert not leaked


async def ask(proxy: EgressProxy, request: bytes) -> tuple[int, str, Streams]:
    reader, writer = await asyncio.open_unix_connection(str(proxy.socket_path))
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return int(head.split()[1]), head, (reader, writer)


def connect(destination: str) -> bytes:
    return f"CONNECT {destination} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


async def test_a_recorded_address_leads_to_its_loopback_twin(proxy: EgressProxy, network: Network) -> None:
    async with backend(network.loopback("64.7")) as server:
        status, _, (reader, writer) = await ask(proxy, connect(f"{network.recorded('64.7')}:{server.port}"))
        writer.write(b"hello")
        assert (status, await reader.readexactly(5)) == (200, b"hello")
        writer.close()
        await eventually(lambda: len(proxy._connections) == 0, what="both connections closed")


async def test_bytes_sent_with_the_request_are_not_lost(proxy: EgressProxy, network: Network) -> None:
    async with backend(network.loopback("64.7")) as server:
        request = connect(f"{network.recorded('64.7')}:{server.port}") + b"early"
        _, _, (reader, writer) = await ask(proxy, request)
        assert await reader.readexactly(5) == b"early"
        writer.close()


@pytest.mark.parametrize(
    "destination",
    [
        "10.81.64.7:{port}",
        "8.8.8.8:{port}",
        "127.80.64.7:{port}",
        "localhost:{port}",
        "[::1]:{port}",
        ":{port}",
    ],
)
async def test_any_other_destination_is_refused_without_connecting(
    proxy: EgressProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    destination: str,
) -> None:
    tried: list[tuple[str, int]] = []

    async def note(_: AcceptedSide, address: str, port: int) -> None:
        tried.append((address, port))

    monkeypatch.setattr(AcceptedSide, "connect", note)
    async with backend("127.81.64.7") as neighbour, backend("127.80.64.7", port=neighbour.port) as own:
        asked = destination.format(port=own.port)
        with caplog.at_level(logging.WARNING):
            status, _, (reader, writer) = await ask(proxy, connect(asked))
        assert status == 403
        assert asked in (await reader.read()).decode()
        assert (tried, neighbour.accepted, own.accepted) == ([], 0, 0)
        assert asked in caplog.text
        writer.close()


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET http://10.80.0.1/ HTTP/1.1\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"CONNECT 10.80.0.1 SPDY/3\r\n\r\n", 400),
        (connect("10.80.0.1:0"), 400),
        (connect("10.80.0.1:70000"), 400),
        (connect("10.80.0.1:-1"), 400),
        (b"CONNECT 10.80.0.1:1 HTTP/1.1\r\nX: " + b"x" * 9000, 431),
    ],
)
async def test_what_is_no_request_for_a_tunnel_is_refused(
    proxy: EgressProxy, request_head: bytes, status: int
) -> None:
    answered, _, (reader, writer) = await ask(proxy, request_head)
    assert answered == status
    await reader.read()
    writer.close()


async def test_a_request_that_never_comes_is_not_waited_for(
    proxy: EgressProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "HEAD_SECONDS", 0.05)
    status, _, (_, writer) = await ask(proxy, b"CONNECT")
    assert status == 408
    writer.close()


async def test_a_closed_port_is_a_bad_gateway_that_names_it(proxy: EgressProxy, network: Network) -> None:
    async with backend(network.loopback("64.7")) as server:
        port = server.port
    status, _, (reader, writer) = await ask(proxy, connect(f"{network.recorded('64.7')}:{port}"))
    assert status == 502
    assert f"127.80.64.7:{port}" in (await reader.read()).decode()
    writer.close()


async def test_each_direction_ends_alone(proxy: EgressProxy, network: Network) -> None:
    async def answer_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = await reader.read()
        writer.write(b"got " + received)
        writer.close()

    async with backend(network.loopback("64.7"), answer_after_the_end) as server:
        _, _, (reader, writer) = await ask(proxy, connect(f"{network.recorded('64.7')}:{server.port}"))
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == b"got question"
        await eventually(lambda: len(proxy._connections) == 0, what="both connections closed")
        writer.close()


async def test_a_slow_reader_slows_the_writer(proxy: EgressProxy, network: Network) -> None:
    may_read = asyncio.Event()
    received = bytearray()

    async def read_when_told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_read.wait()
        while data := await reader.read(1 << 20):
            received.extend(data)
        writer.close()

    chunk, chunks = bytes(range(256)) * 1024, 256
    async with backend(network.loopback("64.7"), read_when_told) as server:
        _, _, (_, writer) = await ask(proxy, connect(f"{network.recorded('64.7')}:{server.port}"))
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(chunks):
                writer.write(chunk)
                await writer.drain()
                sent += 1
            writer.write_eof()

        sending = asyncio.create_task(send())
        before = -1
        while sent != before:  # until the writer is stopped
            before = sent
            await asyncio.sleep(0.2)
        assert sent < chunks / 2, "64 MiB went into a proxy whose other end reads nothing"
        may_read.set()
        await sending
        await eventually(lambda: len(received) == chunks * len(chunk), what="everything arrived")
        assert bytes(received) == chunk * chunks
        writer.close()


async def test_a_reset_behind_is_a_loss_in_front(proxy: EgressProxy, network: Network) -> None:
    async with backend(network.loopback("64.7")) as server:
        _, _, (reader, writer) = await ask(proxy, connect(f"{network.recorded('64.7')}:{server.port}"))
        writer.write(b"x")
        await reader.readexactly(1)
        server.reset()
        await eventually(lambda: len(proxy._connections) == 0, what="both connections closed")
        assert await reader.read() == b""
        writer.close()


def connecting() -> bool:
    return any("_Tunnel._answer" in repr(task.get_coro()) for task in asyncio.all_tasks())


@pytest.mark.parametrize("by", ["client", "proxy"])
async def test_leaving_while_it_connects_ends_the_attempt(
    proxy: EgressProxy, silent_port: tuple[str, int], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    # A client's leaving is seen when reading goes on; a stop ends the attempt itself.
    monkeypatch.setattr(splice, "CONNECT_SECONDS", 0.5 if by == "client" else 60)
    recorded = "10" + silent_port[0].removeprefix("127")
    reader, writer = await asyncio.open_unix_connection(str(proxy.socket_path))
    writer.write(connect(f"{recorded}:{silent_port[1]}"))
    await eventually(connecting, what="the attempt began")
    if by == "client":
        writer.transport.abort()
    else:
        await proxy.stop()
        assert await reader.read() == b""
    await eventually(lambda: not connecting(), what="the attempt ended")
    await eventually(lambda: len(proxy._connections) == 0, what="the connection is gone")
    writer.close()


async def test_a_connection_that_is_accepted_during_the_stop_is_dropped() -> None:
    connections = splice.Connections()
    await connections.close()
    server = await asyncio.get_running_loop().create_server(
        lambda: splice.Side(connections), "127.80.64.7", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await eventually(lambda: len(connections) == 0, what="the connection is gone")
    writer.close()
    server.close()


async def test_stopping_resets_open_tunnels_and_removes_the_socket(network: Network, tmp_path: Path) -> None:
    proxy = EgressProxy(network, tmp_path / "egress.sock")
    (tmp_path / "egress.sock").touch()  # left by a killed run
    await proxy.start()
    assert stat.S_IMODE(proxy.socket_path.stat().st_mode) == 0o600
    async with backend(network.loopback("64.7")) as server:
        _, _, (reader, writer) = await ask(proxy, connect(f"{network.recorded('64.7')}:{server.port}"))
        async with asyncio.timeout(5):
            await proxy.stop()
        assert not proxy.socket_path.exists()
        assert await reader.read() == b""
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(str(proxy.socket_path))
        writer.close()
    await proxy.stop()


async def test_a_path_too_long_for_a_socket_names_the_remedy(network: Network, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="MITA_STATE"):
        await EgressProxy(network, tmp_path / ("x" * 120)).start()
