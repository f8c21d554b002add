"""Prometheus as a process of the environment."""

from __future__ import annotations

from pathlib import Path

from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site
from environments.monitoring import configuration, programs
from environments.monitoring.answers import answering

NAME = programs.PROMETHEUS
RULES = f"{NAME}/rules"

# What the API records as 10.n.a.b is bound as 127.n.a.b.
_BOUND_ADDRESS = {
    "source_labels": ["__address__"],
    "regex": r"10\.(.+)",
    "target_label": "__address__",
    "replacement": "127.$1",
}


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
    address = f"{network.loopback(Network.PROMETHEUS)}:{programs.PROMETHEUS_PORT}"
    home = run.directory(NAME)
    jobs = run.write(
        f"{NAME}/scrape-configs.yaml", configuration.scrape_jobs(kubeconfig, relabelled=[_BOUND_ADDRESS])
    )
    main = run.write(
        f"{NAME}/prometheus.yaml",
        configuration.prometheus(
            alertmanager=f"{network.loopback(Network.ALERTMANAGER)}:{programs.ALERTMANAGER_PORT}",
            rules=run.directory(*RULES.split("/")),
            scrapes=jobs,
        ),
    )
    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=programs.prometheus(
                site.tools[NAME], configuration=main, address=address, data=home / "data"
            ),
            environment=programs.VARIABLES,
            directory=home,
            log=run.logs / f"{NAME}.log",
            ready=answering(f"http://{address}/-/ready"),
        )
    )
    return f"http://{address}"
