"""A program that is the host of a cluster with one pod; it prints what runs, and lives until it is ended.

The pod's program has a child that ran away: it left the pod's session and its parent.
Beside it a command runs in the pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys

import uvloop

from deployer.progress import silent
from environments.embedded import toolchain
from environments.embedded.control_plane import ControlPlane
from environments.embedded.node.api import Api
from environments.embedded.node.egress import EgressProxy
from environments.embedded.node.exec_process import ExecProcess
from environments.embedded.node.node import Node
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site
from tests.node.cluster import Cluster, eventually, is_ready, pid_of
from tests.node.conftest import PORTS, PROGRAMS

_RUNS_AWAY = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(3600)
    os._exit(0)
time.sleep(3600)
"""


async def _host(name: str) -> None:
    run = RunDirectory.claim(name, numbers=range(70, 80), ports=PORTS)
    try:
        site = Site(
            run=run,
            network=run.network,
            supervisor=Supervisor(run),
            tools=toolchain.ensure(silent, PROGRAMS),
        )
        async with contextlib.AsyncExitStack() as running:
            egress = EgressProxy(site.network, run.root / "egress.sock")
            await egress.start()
            running.push_async_callback(egress.stop)
            plane = await ControlPlane.start(site, egress.socket_path)
            running.push_async_callback(plane.stop)
            node = Node(site, plane)
            await node.start()
            running.push_async_callback(node.stop)
            api = await running.enter_async_context(Api.from_kubeconfig(plane.admin_kubeconfig))
            namespace = await Cluster(site=site, plane=plane, node=node, api=api).namespace("mortal")
            await namespace.pod("parent", "-c", _RUNS_AWAY)
            pod = await namespace.wait("pods", "parent", is_ready)
            await eventually(lambda: namespace.logs("parent"), 10)
            ended = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
            command = _beside(node, namespace.name)
            children = [
                pid_of(pod),
                command,
                *(process.pid for process in site.supervisor.processes.values()),
            ]
            print(json.dumps({"children": children, "away": int(namespace.logs("parent"))}), flush=True)  # noqa: T201
            await ended.wait()
    finally:
        run.release(remove=True)


def _beside(node: Node, namespace: str) -> int:
    """Run a command in the pod; return its pid."""
    assert node.pods is not None
    target = node.pods.exec_target(namespace, "parent", "main")
    command = ExecProcess.start(["sleep", "3600"], target.environment, target.directory, stdin=True, tty=True)
    return command.pid


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_host(sys.argv[1]))
