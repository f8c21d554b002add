"""The load test as a user runs it: Locust in a process of its own against a small server."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

ROOT = Path(__file__).parents[2]


class Target:
    """A server with the guide's two routes, whose answers a test can spoil."""

    def __init__(self) -> None:
        self.status = 200
        self.delay = 0.0
        self.login_works = True
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay)
        return web.Response(status=self.status)

    async def uses_credentials(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self.login_works else 503)


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    server = Target()
    application = web.Application()
    application.router.add_get("/health", server.answer)
    application.router.add_post("/api/auth/test", server.answer)
    application.router.add_get("/health/ready", server.uses_credentials)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's own server
    server.url = f"http://127.0.0.1:{port}"
    yield server
    await runner.cleanup()


async def locust(*arguments: str) -> tuple[int, str]:
    """Run Locust and return the exit code and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def load(target: Target, results: Path, *arguments: str) -> tuple[int, str]:
    """Run two seconds of steady load and return the exit code and what was said."""
    options = ["--headless", "--only-summary", "--host", target.url, "--results", str(results)]
    profile = ["--shape", "steady", "--rate", "50", "--seconds", "2", "--open", "10"]
    return await locust(*options, *profile, *arguments)


def free_address() -> tuple[str, str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host, port = taken.getsockname()
    return str(host), str(port)


def apart(*, workers: int) -> tuple[list[str], list[str]]:
    """Return the arguments of a master and of a worker that are begun on their own."""
    host, port = free_address()
    listens = ["--master-bind-host", host, "--master-bind-port", port]
    master = ["--master", "--expect-workers", str(workers), *listens]
    return master, ["--worker", "--master-host", host, "--master-port", port]


# Generous, because other tests may be using the same two cores.
MET = ("--threshold", "p95 < 5 s", "--threshold", "failures == 0")


async def test_a_healthy_target_passes_and_the_offered_rate_is_kept(target: Target, tmp_path: Path) -> None:
    code, said = await load(target, tmp_path, *MET, "--purpose", "People sign in")
    assert code == 0, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["passed"]
    assert summary["purpose"] == "People sign in"
    assert summary["requests"]["health"]["requests"] == pytest.approx(50 * summary["seconds"], rel=0.25)
    lines = [json.loads(line) for line in (tmp_path / "intervals.jsonl").read_text().splitlines()]
    assert sum(line["count"] for line in lines) == summary["total"]["requests"]


async def test_a_login_that_is_refused_fails_the_request_that_uses_it(target: Target, tmp_path: Path) -> None:
    target.login_works = False
    code, said = await load(target, tmp_path, "--credentials", *MET)
    assert code == 3
    summary = json.loads((tmp_path / "summary.json").read_text())
    ready = summary["requests"]["ready"]
    assert ready["failed"] == ready["requests"] > 0
    assert summary["requests"]["health"]["failed"] == 0
    assert "status 503, wanted 200" in said


async def test_every_breach_is_told_and_sets_the_exit_code(target: Target, tmp_path: Path) -> None:
    target.status = 503
    code, said = await load(target, tmp_path, "--threshold", "p95 < 0.001 ms", *MET)
    assert code == 3
    assert "BREACHED  p95 < 0.001 ms" in said
    assert "BREACHED  failures == 0" in said
    assert "status 503, wanted 200" in said


async def test_a_stalled_target_shows_in_latency_and_missed_sends(target: Target, tmp_path: Path) -> None:
    target.delay = 0.5
    code, said = await load(target, tmp_path, "--threshold", "p95 < 600 ms", "--threshold", "missed == 0")
    assert code == 3, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["missed"] > 0
    assert summary["requests"]["health"]["latency_ms"]["max"] > 900


async def test_two_worker_processes_share_the_rate_and_lose_no_sample(target: Target, tmp_path: Path) -> None:
    code, said = await load(target, tmp_path, "--processes", "2", *MET)
    assert code == 0, said
    assert_rate_was_kept(tmp_path)


def assert_rate_was_kept(results: Path) -> None:
    summary = json.loads((results / "summary.json").read_text())
    # The shape is looked at once a second, so the run may be longer than asked; the rate still holds.
    assert summary["requests"]["health"]["requests"] == pytest.approx(50 * summary["seconds"], rel=0.25)


async def test_a_master_sums_up_workers_that_were_begun_elsewhere(target: Target, tmp_path: Path) -> None:
    """Each is a process of its own, as on machines of their own."""
    master, worker = apart(workers=2)
    async with asyncio.timeout(60):
        (code, said), *workers = await asyncio.gather(
            load(target, tmp_path, *master, *MET), locust(*worker), locust(*worker)
        )
    assert code == 0, said
    assert [each for each, _ in workers] == [0, 0], workers
    assert_rate_was_kept(tmp_path)


async def test_a_master_tells_what_only_its_workers_saw(target: Target, tmp_path: Path) -> None:
    target.status = 503
    master, worker = apart(workers=1)
    async with asyncio.timeout(60):
        (code, said), _ = await asyncio.gather(load(target, tmp_path, *master, *MET), locust(*worker))
    assert code == 3, said
    assert "BREACHED  failures == 0" in said


async def test_its_web_page_shows_a_run_that_is_begun_there(target: Target) -> None:
    host, port = free_address()
    page = f"http://{host}:{port}"
    shape = ("--shape", "steady", "--rate", "50", "--seconds", "60", "--open", "10")
    alone = ("--web-host", host, "--web-port", port, "--host", target.url, *shape)
    async with asyncio.timeout(60), aiohttp.ClientSession() as browser:
        running = asyncio.create_task(locust(*alone))
        try:
            assert "Locust" in await answered(browser, page, running)
            begun = await browser.post(f"{page}/swarm", data={"host": target.url})
            assert (await begun.json())["success"]
            async for shown in requests_shown(browser, page):
                if shown:
                    break
        finally:
            running.cancel()
            await asyncio.wait([running])


async def answered(browser: aiohttp.ClientSession, page: str, running: asyncio.Task[tuple[int, str]]) -> str:
    """Return the page once it is there."""
    while not running.done():
        try:
            async with browser.get(page) as answer:
                return await answer.text()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.1)
    pytest.fail(f"it ended: {running.result()}")


async def requests_shown(browser: aiohttp.ClientSession, page: str) -> AsyncIterator[int]:
    """Yield again and again how many requests the page tells of."""
    while True:
        async with browser.get(f"{page}/stats/requests") as answer:
            stats = (await answer.json())["stats"]
        yield sum(each["num_requests"] for each in stats if each["name"] == "health")
        await asyncio.sleep(0.1)


async def test_a_threshold_that_cannot_be_read_stops_the_run_before_it_begins(
    target: Target, tmp_path: Path
) -> None:
    code, said = await load(target, tmp_path, "--threshold", "quick")
    assert code != 0
    assert "threshold 'quick'" in said
    assert "Traceback" not in said
    assert not (tmp_path / "intervals.jsonl").exists()
