"""All of the monitoring as the one program that a container runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiohttp import web

from environments.certificates import Issuer, subject
from environments.embedded.network import Network
from environments.embedded.site import Site
from environments.kind.monitoring import Monitoring, prepare
from environments.monitoring.rule_bridge import COLLECTION
from tests.environments.ground import listeners
from tests.monitoring.test_servers import alerts, until

pytestmark = pytest.mark.embedded

_PORTS = (9090, 9093, 8080)


@pytest.fixture
async def api_server(site: Site, tmp_path: Path) -> AsyncIterator[tuple[str, Issuer]]:
    """An API server that knows one rule, and its authority; nothing happens in it."""
    issuer, host = Issuer.make("test"), site.network.loopback(Network.API_SERVER)
    issued = issuer.issue(subject("server"), usage="server", addresses=[host])
    pair = tmp_path / "server.pem"
    pair.write_bytes(issued.certificate + issued.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair)
    metadata = {"namespace": "default", "name": "known", "uid": "1", "resourceVersion": "1"}
    rule = {"metadata": metadata, "spec": {"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "1"}]}]}}

    async def listed_or_watched(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [rule]})
        stream = web.StreamResponse()
        await stream.prepare(request)
        await asyncio.Event().wait()
        return stream

    application = web.Application()
    application.router.add_get(COLLECTION, listed_or_watched)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 6443, ssl_context=tls).start()
    yield f"https://{host}:6443", issuer
    await runner.cleanup()


@pytest.fixture
def prepared(site: Site, tmp_path: Path, api_server: tuple[str, Issuer]) -> Monitoring:
    url, issuer = api_server
    return prepare(
        tmp_path / "monitoring",
        host=site.network.loopback(Network.PROMETHEUS),
        api_server=url,
        issuer=issuer,
    )


@pytest.fixture
async def program(site: Site, prepared: Monitoring, tmp_path: Path) -> AsyncIterator[Process]:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("prometheus", "promtool", "alertmanager"):
        (tools / name).symlink_to(site.tools[name])
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "environments.monitoring", str(prepared.directory)),
        *("--host", prepared.host, "--tools", str(tools)),
        stderr=PIPE,
    )
    try:
        for url in (prepared.prometheus, prepared.alertmanager):
            await _answers(f"{url}/-/ready")
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
            await asyncio.wait_for(started.wait(), 20)


async def _answers(url: str) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(0.05)


def test_only_their_owner_reads_the_credentials(prepared: Monitoring) -> None:
    for name in ("slack-url", "pagerduty-key", "client.key"):
        assert stat.S_IMODE((prepared.directory / name).stat().st_mode) == 0o600
    assert "slack" not in repr(prepared.receivers)


async def test_it_listens_on_its_address_only(program: Process, prepared: Monitoring) -> None:
    assert listeners(program.pid) == {f"{prepared.host}:{port}" for port in _PORTS}


@pytest.mark.usefixtures("program")
async def test_who_is_told_can_be_asked_by_the_credentials_made_outside(prepared: Monitoring) -> None:
    alert = {"labels": {"alertname": "Planted", "severity": "critical"}, "annotations": {"summary": "It is."}}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{prepared.alertmanager}/api/v2/alerts", json=[alert]) as taken:
            assert taken.ok
        async with session.post(f"{prepared.receivers.pagerduty}/services/T/B/guessed", json={}) as refused:
            assert not refused.ok
    url = f"{prepared.receivers.pagerduty}/notifications"
    await until(lambda found: {each["receiver"] for each in found} == {"slack", "pagerduty"}, url)


@pytest.mark.usefixtures("program")
async def test_rules_that_the_cluster_declares_are_in_use(prepared: Monitoring) -> None:
    await until(lambda found: alerts(found) == ["A"], f"{prepared.prometheus}/api/v1/rules")


async def test_asked_to_end_it_leaves_nothing_running(program: Process) -> None:
    children = psutil.Process(program.pid).children(recursive=True)
    assert {each.name() for each in children} >= {"prometheus", "alertmanager"}
    program.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(program.wait(), 20) == 0
    assert not [each for each in children if each.is_running()]


async def test_it_ends_with_the_first_of_its_programs(program: Process) -> None:
    (victim,) = [each for each in psutil.Process(program.pid).children() if each.name() == "alertmanager"]
    victim.kill()
    _, told = await asyncio.wait_for(program.communicate(), 20)
    assert program.returncode == 1
    assert b"alertmanager ended with -9" in told
    assert b"Traceback" not in told
