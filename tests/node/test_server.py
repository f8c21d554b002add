"""The node's server: it answers the API server and nobody else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deployer.errors import NotReadyError
from environments.embedded.control_plane.authority import Authority, KeyPair
from environments.embedded.node.server import CLIENT, ExecTarget, KubeletServer
from environments.embedded.run_directory import RunDirectory

PORT = 10251


class OnePod:
    """A node with one pod that does not run."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def log_file(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> Path:
        self._know(namespace, pod, container)
        if previous:
            raise LookupError("no previous instance")
        return self.log

    def is_running(self, namespace: str, pod: str, container: str) -> bool:
        self._know(namespace, pod, container)
        return False

    def exec_target(self, namespace: str, pod: str, container: str) -> ExecTarget:
        self._know(namespace, pod, container)
        raise LookupError("it does not run")

    def pods(self) -> Sequence[Mapping[str, Any]]:
        return [{"metadata": {"name": "p"}}]

    @staticmethod
    def _know(namespace: str, pod: str, container: str) -> None:
        if (namespace, pod, container) != ("n", "p", "c"):
            raise LookupError(f'pod "{pod}" does not exist')


class Place:
    """A server with its authorities.

    Attributes:
        clients: Of those who may be the API server.
        users: Of the server itself, and of everybody else.
    """

    def __init__(self, run: RunDirectory, log: Path) -> None:
        self.clients = Authority(run, "server-test-clients")
        self.users = Authority(run, "server-test-users")
        self.address = run.network.loopback("0.11")
        self.url = f"https://{self.address}:{PORT}"
        self._log = log

    def server(self) -> KubeletServer:
        serving = self.users.issue("node", addresses=(self.address,), usage="server")
        authority = self.clients.certificate
        return KubeletServer(
            OnePod(self._log), address=self.address, serving=serving, client_authority=authority, port=PORT
        )

    def session(self, shown: KeyPair | None) -> aiohttp.ClientSession:
        tls = ssl.create_default_context(cafile=str(self.users.certificate))
        if shown is not None:
            tls.load_cert_chain(shown.certificate, shown.key)
        return aiohttp.ClientSession(self.url, connector=aiohttp.TCPConnector(ssl=tls))


@pytest.fixture
async def place(run: RunDirectory, tmp_path: Path) -> AsyncIterator[Place]:
    log = tmp_path / "0.log"
    log.write_text("logged\n")
    place = Place(run, log)
    server = place.server()
    await server.start()
    yield place
    await server.stop()


async def test_the_api_server_is_answered(place: Place) -> None:
    async with place.session(place.clients.issue(CLIENT)) as http:
        async with http.get("/containerLogs/n/p/c") as response:
            assert (response.status, await response.text()) == (200, "logged\n")
        async with http.get("/pods") as response:
            assert [each["metadata"]["name"] for each in (await response.json())["items"]] == ["p"]


async def test_another_client_of_the_same_authority_is_forbidden(place: Place) -> None:
    async with place.session(place.clients.issue("somebody")) as http:
        for path in ("/pods", "/containerLogs/n/p/c", "/exec/n/p/c?command=id", "/healthz"):
            async with http.get(path) as response:
                assert (response.status, "user=somebody" in await response.text()) == (403, True)


@pytest.mark.parametrize("name", ["", CLIENT])
async def test_who_has_no_certificate_or_a_strangers_is_cut_off(place: Place, name: str) -> None:
    async with place.session(place.users.issue(name) if name else None) as http:
        with pytest.raises(aiohttp.ClientError):
            await http.get("/pods")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/containerLogs/n/other/c", 404, 'pod "other" does not exist'),
        ("/containerLogs/n/p/c?previous=true", 400, "no previous instance"),
        ("/containerLogs/n/p/c?tailLines=-1", 400, "tailLines: must be at least 0"),
        ("/exec/n/p/c?command=id", 400, "it does not run"),
        ("/exec/n/other/c?command=id", 404, 'pod "other" does not exist'),
    ],
)
async def test_what_cannot_be_served_says_why(place: Place, path: str, status: int, text: str) -> None:
    async with place.session(place.clients.issue(CLIENT)) as http, http.get(path) as response:
        assert response.status == status
        assert text in await response.text()


async def test_a_taken_address_is_told_with_a_remedy(place: Place) -> None:
    with pytest.raises(NotReadyError, match=f"listen on {place.address}:{PORT}"):
        await place.server().start()
