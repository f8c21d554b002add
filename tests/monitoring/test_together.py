"""All of the monitoring as the one program that a container runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from environments.certificates import Issuer
from environments.embedded.network import Network
from environments.embedded.site import Site
from environments.kind.monitoring import Monitoring, prepare
from tests.environments.ground import listeners
from tests.monitoring.test_servers import until

pytestmark = pytest.mark.embedded

_PORTS = (9090, 9093, 8080)


@pytest.fixture
def prepared(site: Site, tmp_path: Path) -> Monitoring:
    """Its files, for an API server that does not answer."""
    return prepare(
        tmp_path / "monitoring",
        host=site.network.loopback(Network.PROMETHEUS),
        api_server="https://127.0.0.1:1",
        issuer=Issuer.make("test"),
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
