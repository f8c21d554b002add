"""Prometheus as a process of the environment."""

from __future__ import annotations

from pathlib import Path

from environments.embedded.monitoring import configuration
from environments.embedded.monitoring.alertmanager import PORT as ALERTMANAGER_PORT
from environments.embedded.monitoring.answers import answering
from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site

NAME = "prometheus"
PORT = 9090
RULES = f"{NAME}/rules"
EVALUATION = "1s"


async def start_prometheus(site: Site, kubeconfig: Path) -> str:
    """Start Prometheus and wait until it answers; Alertmanager need not run yet.

    Args:
        site: Where.
        kubeconfig: Of the identity with which it discovers pods.

    Returns:
        Its base URL.

    Raises:
        NotReadyError: It ended or did not answer in time.
    """
    network, run = site.network, site.run
    address = f"{network.loopback(Network.PROMETHEUS)}:{PORT}"
    home = run.directory(NAME)
    jobs = run.write(
        f"{NAME}/scrape-configs.yaml",
        configuration.scrape_jobs(interval=EVALUATION, kubeconfig=kubeconfig),
    )
    main = run.write(
        f"{NAME}/prometheus.yaml",
        configuration.prometheus(
            alertmanager=f"{network.loopback(Network.ALERTMANAGER)}:{ALERTMANAGER_PORT}",
            rules=run.directory(*RULES.split("/")),
            scrapes=jobs,
            evaluation=EVALUATION,
        ),
    )
    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=(
                str(site.tools[NAME]),
                f"--config.file={main}",
                f"--web.listen-address={address}",
                "--web.enable-lifecycle",  # how the rule bridge has it read new rules
                f"--storage.tsdb.path={home / 'data'}",
                # Nothing outlives a run, and a run is short.
                "--storage.tsdb.retention.time=6h",
                "--storage.tsdb.wal-segment-size=10MB",
                "--query.max-concurrency=4",
                "--log.level=warn",
            ),
            # It collects early instead of keeping half of its memory for later.
            environment={"GOGC": "40", "GOMAXPROCS": "1", "TZ": "UTC"},
            directory=home,
            log=run.logs / f"{NAME}.log",
            ready=answering(f"http://{address}/-/ready"),
        )
    )
    return f"http://{address}"
