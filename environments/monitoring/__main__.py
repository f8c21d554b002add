"""All of the monitoring in one container: ``python -m environments.monitoring --host ADDRESS DIRECTORY``."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from environments.embedded.node.api import Api
from environments.monitoring import programs
from environments.monitoring.answers import answering
from environments.monitoring.files import File
from environments.monitoring.receivers import Credentials, Receivers
from environments.monitoring.rule_bridge import RuleBridge

_PAUSE = 0.1


class EndedError(Exception):
    """A program ended by itself; the text says which, and how."""


async def serve(directory: Path, host: str, tools: Path) -> None:
    """Run every part until one ends or this is cancelled.

    Args:
        directory: Where the files are.
        host: The address at which everything listens.
        tools: Directory of the programs.

    Raises:
        EndedError: Prometheus or Alertmanager ended.
    """
    slack = urlsplit((directory / File.SLACK_URL).read_text(encoding="utf-8")).path
    key = SecretStr((directory / File.PAGERDUTY_KEY).read_text(encoding="utf-8"))
    receivers = Receivers(host, Credentials(key, slack))
    await receivers.start()
    prometheus = f"{host}:{programs.PROMETHEUS_PORT}"
    alertmanager = f"{host}:{programs.ALERTMANAGER_PORT}"
    try:
        async with Api.from_kubeconfig(directory / File.KUBECONFIG) as api, asyncio.TaskGroup() as parts:
            bridge = RuleBridge(
                api,
                promtool=tools / "promtool",
                rules=directory / File.RULES,
                prometheus=f"http://{prometheus}",
            )
            for name, start, file, address in (
                (programs.PROMETHEUS, programs.prometheus, File.PROMETHEUS, prometheus),
                (programs.ALERTMANAGER, programs.alertmanager, File.ALERTMANAGER, alertmanager),
            ):
                arguments = start(
                    tools / name,
                    configuration=directory / file,
                    address=address,
                    data=directory / f"{name}-data",
                )
                parts.create_task(_run(name, arguments))
            await _until_ready(prometheus)
            parts.create_task(bridge.follow())
    finally:
        await receivers.stop()


async def _run(name: str, arguments: Sequence[str]) -> None:
    process = await asyncio.create_subprocess_exec(*arguments, env=dict(programs.VARIABLES))
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    raise EndedError(f"{name} ended with {code}")


async def _until_ready(address: str) -> None:
    missing = answering(f"http://{address}/-/ready")
    while await missing():  # noqa: ASYNC110  another program becomes ready, which sets no event
        await asyncio.sleep(_PAUSE)


async def _main(directory: Path, host: str, tools: Path) -> int:
    serving = asyncio.create_task(serve(directory, host, tools))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return 0
    except ExceptionGroup as group:
        sys.stderr.write("".join(f"{error}\n" for error in group.exceptions))
    return 1


if __name__ == "__main__":
    parser = ArgumentParser(prog="monitoring", description=__doc__)
    parser.add_argument(
        "directory", type=Path, help="with the files that environments/monitoring/files.py names"
    )
    parser.add_argument("--host", required=True, help="address at which everything listens")
    parser.add_argument(
        "--tools", type=Path, default=Path("/usr/local/bin"), help="directory of the programs"
    )
    given = parser.parse_args()
    sys.exit(asyncio.run(_main(given.directory, given.host, given.tools)))
