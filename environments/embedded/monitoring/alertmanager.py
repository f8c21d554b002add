"""Alertmanager as a process of the environment."""

from __future__ import annotations

from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site
from environments.monitoring import configuration, programs
from environments.monitoring.answers import answering
from environments.monitoring.receivers import Receivers

NAME = programs.ALERTMANAGER


async def start_alertmanager(site: Site, receivers: Receivers) -> str:
    """Start Alertmanager and wait until it answers.

    Args:
        site: Where.
        receivers: Whom it tells.

    Returns:
        Its base URL.

    Raises:
        NotReadyError: It ended or did not answer in time.
    """
    run = site.run
    address = f"{site.network.loopback(Network.ALERTMANAGER)}:{programs.ALERTMANAGER_PORT}"
    home = run.directory(NAME)
    main = run.write(
        f"{NAME}/alertmanager.yaml",
        configuration.alertmanager(
            slack=run.write(f"{NAME}/slack-url", receivers.slack),
            pagerduty_key=run.write(f"{NAME}/pagerduty-key", receivers.routing_key.get_secret_value()),
            pagerduty=receivers.pagerduty,
        ),
    )
    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=programs.alertmanager(
                site.tools[NAME], configuration=main, address=address, data=home / "data"
            ),
            environment=programs.VARIABLES,
            directory=home,
            log=run.logs / f"{NAME}.log",
            ready=answering(f"http://{address}/-/ready"),
        )
    )
    return f"http://{address}"
