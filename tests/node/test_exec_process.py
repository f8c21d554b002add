"""A command whose streams this process holds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from environments.embedded.node.exec_process import Descriptor, ExecProcess
from tests.node.cluster import eventually

PATH = {"PATH": "/usr/bin:/bin"}


async def all_of(descriptor: Descriptor) -> bytes:
    content = b""
    while piece := await descriptor.read():
        content += piece
    return content


async def test_a_write_larger_than_a_pipe_arrives_whole(tmp_path: Path) -> None:
    much = os.urandom(1_000_000)
    process = ExecProcess.start(["cat"], PATH, tmp_path, stdin=True, tty=False)

    async def write() -> None:
        assert process.stdin is not None
        await process.stdin.write(much)
        await process.end_input()

    async with asyncio.timeout(10):
        _, read = await asyncio.gather(write(), all_of(process.outputs[0]))
        assert read == much
        assert await process.wait() == 0
    await process.close()


async def test_input_that_nobody_reads_any_more_vanishes(tmp_path: Path) -> None:
    process = ExecProcess.start(["sh", "-c", "exec <&-; sleep 600"], PATH, tmp_path, stdin=True, tty=False)
    assert process.stdin is not None
    async with asyncio.timeout(10):
        await process.stdin.write(b"x" * 1_000_000)
    await process.close()


async def test_closing_ends_everything_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; exec sleep 600"
    process = ExecProcess.start(["sh", "-c", script], PATH, tmp_path, stdin=False, tty=False)
    pid = tmp_path / "pid"
    await eventually(lambda: pid.exists() and pid.read_text(), 5)
    await process.close()
    await eventually(lambda: not _runs(int(pid.read_text())), 5)


async def test_a_signal_is_told_as_shells_do(tmp_path: Path) -> None:
    process = ExecProcess.start(["sh", "-c", "kill -TERM $$"], PATH, tmp_path, stdin=False, tty=True)
    async with asyncio.timeout(10):
        assert await process.wait() == 128 + 15
    await process.close()


async def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = psutil.Process().num_fds()
    for tty in (False, True):
        process = ExecProcess.start(["true"], PATH, tmp_path, stdin=True, tty=tty)
        await process.close()
        with pytest.raises(FileNotFoundError):
            ExecProcess.start(["no-such-program"], PATH, tmp_path, stdin=True, tty=tty)
    assert psutil.Process().num_fds() == before


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
