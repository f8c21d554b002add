"""The servers of the deployer's tests as a process: their parent must own its main thread.

It writes one JSON line when all serve, and stops them when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict

from deployer.connections import ServerLogin
from deployer.progress import silent
from environments.embedded import toolchain
from environments.embedded.aws import ensure_localstack, start_localstack
from environments.embedded.control_plane import ControlPlane
from environments.embedded.databases import start_postgresql, start_valkey
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory
from environments.embedded.site import Site

NUMBERS = range(95, 100)
TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "helm", "operator_chart")


async def serve() -> None:
    """Start the servers, say where they are, and stop them in the end."""
    tools = {**toolchain.ensure(silent, TOOLS), "localstack": ensure_localstack(silent)}
    run = RunDirectory.claim("deployer", numbers=NUMBERS)
    supervisor = Supervisor(run)
    site = Site(run=run, network=run.network, supervisor=supervisor, tools=tools)
    try:
        aws, database, cache, plane = await asyncio.gather(
            start_localstack(site),
            start_postgresql(site),
            start_valkey(site),
            ControlPlane.start(site, run.root / "egress.sock"),
        )
        where = {
            "aws": asdict(aws) | {"secret_key": aws.secret_key.get_secret_value()},
            "database": _plain(database),
            "cache": _plain(cache),
            "kubeconfig": str(plane.admin_kubeconfig),
            "issuer": plane.oidc_issuer,
            "authority": plane.authority.certificate.read_text(),
            "helm": str(tools["helm"]),
            "operator_chart": str(tools["operator_chart"]),
        }
        sys.stdout.write(json.dumps(where) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await supervisor.stop_all()
        run.release(remove=True)


def _plain(login: ServerLogin) -> dict[str, object]:
    return asdict(login) | {"password": login.password.get_secret_value()}


if __name__ == "__main__":
    asyncio.run(serve())
