"""What a start of the control plane says, and leaves, when a server fails."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from deployer.errors import NotReadyError
from deployer.progress import silent
from environments.embedded import toolchain
from environments.embedded.control_plane import ControlPlane
from environments.embedded.processes import Process, ProcessSpec, Supervisor
from environments.embedded.processes.sweep import stragglers
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site

from .conftest import PROGRAMS

IDLE = "exec sleep 600"


def _site(run: RunDirectory, tmp_path: Path, scripts: dict[str, str]) -> Site:
    tools: dict[str, Path] = {}
    for name in PROGRAMS:
        tools[name] = tmp_path / name
        tools[name].write_text(f"#!/bin/sh\n{scripts.get(name, IDLE)}\n")
        tools[name].chmod(0o755)
    return Site(run=run, network=run.network, supervisor=Supervisor(run), tools=tools)


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver"])
async def test_the_server_that_ends_early_is_named_at_once(
    run: RunDirectory, tmp_path: Path, name: str
) -> None:
    site = _site(run, tmp_path, {name: "echo no room in the data directory; exit 3"})
    began = time.monotonic()
    with pytest.raises(NotReadyError) as raised:
        await ControlPlane.start(site, run.root / "egress.sock")
    assert time.monotonic() - began < 30
    assert raised.value.subject == name
    assert "exited with code 3" in raised.value.seen
    assert "no room in the data directory" in raised.value.seen
    assert dict(site.supervisor.processes) == {}
    assert stragglers(run.run_id) == []


class _Telling(Supervisor):
    """Tells when a process has been found ready."""

    def __init__(self, run: RunDirectory) -> None:
        super().__init__(run)
        self.ready = asyncio.Event()

    async def start(self, spec: ProcessSpec) -> Process:
        process = await super().start(spec)
        self.ready.set()
        return process


@pytest.mark.embedded
async def test_etcd_dying_behind_a_starting_api_server_is_named(run: RunDirectory, tmp_path: Path) -> None:
    supervisor = _Telling(run)
    tools = {**_site(run, tmp_path, {}).tools, "etcd": toolchain.ensure(silent, ["etcd"])["etcd"]}
    site = Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
    start = asyncio.create_task(ControlPlane.start(site, run.root / "egress.sock"))
    await asyncio.wait_for(supervisor.ready.wait(), 30)
    os.kill(supervisor.processes["etcd"].pid, signal.SIGKILL)
    with pytest.raises(NotReadyError) as raised:
        await asyncio.wait_for(start, 30)
    assert raised.value.subject == "etcd"
    assert "while the API server starts" in raised.value.expected
    assert "killed by SIGKILL" in raised.value.seen
    assert dict(supervisor.processes) == {}
    assert stragglers(run.run_id) == []
