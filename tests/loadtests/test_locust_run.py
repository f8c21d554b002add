"""The load test as a user runs it: Locust in a process of its own against a small server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

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


async def load(target: Target, results: Path, *arguments: str) -> tuple[int, str]:
    """Run two seconds of steady load and return the exit code and what was said."""
    options = ["--headless", "--only-summary", "--host", target.url, "--results", str(results)]
    profile = ["--shape", "steady", "--rate", "50", "--seconds", "2", "--open", "10"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *options, *profile, *arguments),
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode()


# Generous, because other tests may be using the same two cores.
MET = ("--threshold", "p95 < 5 s", "--threshold", "failures == 0")


async def test_a_healthy_target_passes_and_the_offered_rate_is_kept(target: Target, tmp_path: Path) -> None:
    code, said = await load(target, tmp_path, *MET)
    assert code == 0, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["passed"]
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
    summary = json.loads((tmp_path / "summary.json").read_text())
    # The shape is looked at once a second, so the run may be longer than asked; the rate still holds.
    assert summary["requests"]["health"]["requests"] == pytest.approx(50 * summary["seconds"], rel=0.25)


async def test_a_threshold_that_cannot_be_read_stops_the_run_before_it_begins(
    target: Target, tmp_path: Path
) -> None:
    code, said = await load(target, tmp_path, "--threshold", "quick")
    assert code != 0
    assert "threshold 'quick'" in said
    assert "Traceback" not in said
    assert not (tmp_path / "intervals.jsonl").exists()
