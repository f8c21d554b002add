"""What becomes of the children when their parent is killed: with a real parent, under uvloop."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time

import psutil
import pytest

PARENT = """
import asyncio, sys
import uvloop
from environments.embedded.processes import ProcessSpec, Supervisor
from environments.embedded.run_directory import RunDirectory

async def main():
    run = RunDirectory.claim("parent", numbers=range(64, 70), ports=())
    supervisor = Supervisor(run)
    user = int(sys.argv[1]) if len(sys.argv) > 1 else None
    for name in ("one", "two"):
        await supervisor.start(ProcessSpec(name=name, argv=("/bin/sleep", "600"), environment={},
            directory="/", log=run.logs / name, user=user, group=user))
    print(run.run_id, *(process.pid for process in supervisor.processes.values()), flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


def _killed_parent(*arguments: str) -> list[psutil.Process]:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()[1:]]
    assert len(children) == 2
    assert all(child.is_running() for child in children)
    if arguments:
        assert {child.uids().effective for child in children} == {int(arguments[0])}
        assert {child.gids().effective for child in children} == {int(arguments[0])}
    parent.kill()
    parent.wait()
    parent.stdout.close()
    return children


def _living(children: list[psutil.Process]) -> list[int]:
    deadline = time.monotonic() + 5
    living = [child.pid for child in children]
    while living and time.monotonic() < deadline:
        time.sleep(0.01)
        living = [child.pid for child in children if _lives(child)]
    return living


def _lives(child: psutil.Process) -> bool:
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_parent_leaves_no_child() -> None:
    assert _living(_killed_parent()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")
def test_a_killed_parent_leaves_no_child_of_another_user() -> None:
    assert _living(_killed_parent(str(pwd.getpwnam("nobody").pw_uid))) == []
