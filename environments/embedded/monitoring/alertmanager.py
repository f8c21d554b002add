"""Alertmanager as a process of the environment."""

from __future__ import annotations

from environments.embedded.monitoring import configuration
from environments.embedded.monitoring.answers import answering
from environments.embedded.monitoring.receivers import Receivers
from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site

NAME = "alertmanager"
PORT = 9093
_GROUP_WAIT = "100ms"
_GROUP_INTERVAL = "1s"


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
    address = f"{site.network.loopback(Network.ALERTMANAGER)}:{PORT}"
    home = run.directory(NAME)
    slack = run.write(f"{NAME}/slack-url", receivers.slack)
    key = run.write(f"{NAME}/pagerduty-key", receivers.routing_key.get_secret_value())
    main = run.write(
        f"{NAME}/alertmanager.yaml",
        configuration.alertmanager(
            {
                "SLACK_URL_FILE": str(slack),
                "PAGERDUTY_KEY_FILE": str(key),
                "PAGERDUTY_URL": f"{receivers.pagerduty}/v2/enqueue",
                "GROUP_WAIT": _GROUP_WAIT,
                "GROUP_INTERVAL": _GROUP_INTERVAL,
            }
        ),
    )
    await site.supervisor.start(
        ProcessSpec(
            name=NAME,
            argv=(
                str(site.tools[NAME]),
                f"--config.file={main}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",  # it is alone
                f"--storage.path={home / 'data'}",
                "--log.level=warn",
            ),
            environment={"GOGC": "40", "GOMAXPROCS": "1", "TZ": "UTC"},
            directory=home,
            log=run.logs / f"{NAME}.log",
            ready=answering(f"http://{address}/-/ready"),
        )
    )
    return f"http://{address}"
