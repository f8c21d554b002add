"""``mita notify``: see whether those whom alerts are meant for can be reached."""

from __future__ import annotations

import os
from pathlib import Path

import click
from pydantic import SecretStr

from deployer.connections import Connections
from deployer.errors import ConfigurationError
from deployer.notifications import PagerDuty, Slack, send_test_event
from mita.options import attached, environment_options

_VARIABLE = "MITA_PAGERDUTY_ROUTING_KEY"
_SERVICES = ("pagerduty", "slack")


@click.command(
    epilog=f"""\b
Examples:
  mita notify                    a test event to PagerDuty, and a test message to Slack
  mita notify pagerduty
  {_VARIABLE}=... mita notify --environment production --config mita.toml

\b
The event is triggered, acknowledged and resolved, and says that nothing is wrong.
"""
)
@environment_options
@click.argument("services", nargs=-1, type=click.Choice(_SERVICES), metavar="[pagerduty] [slack]")
def notify(*, environment: str, config: Path | None, services: tuple[str, ...]) -> None:
    """Send a test to PagerDuty and Slack; it fails unless each takes it."""
    connections = attached(environment, config).connections()
    source = connections.cluster.name
    for service in services or _SERVICES:
        if service == "pagerduty":
            key = send_test_event(_pagerduty(connections), source=source)
            click.echo(f"PagerDuty took an event, its acknowledgement and its end: {key}")
        else:
            _slack(connections).send(f"Test of MITA's alerting, from {source}; nothing is wrong")
            click.echo("Slack took a message")


def _pagerduty(connections: Connections) -> PagerDuty:
    url, given = connections.endpoints.pagerduty, os.environ.get(_VARIABLE)
    key = SecretStr(given) if given else connections.pagerduty_key
    if url is None:
        raise _unknown("PagerDuty", "endpoints.pagerduty, for example https://events.pagerduty.com")
    if key is None:
        raise ConfigurationError(
            "PagerDuty",
            expected=f"the service's routing key in {_VARIABLE}",
            seen="none",
            remedy="Take it from the service's integration, and hand it over by that variable.",
        )
    return PagerDuty(url, key)


def _slack(connections: Connections) -> Slack:
    if connections.endpoints.slack is None:
        raise _unknown("Slack", "endpoints.slack, the incoming webhook's address")
    return Slack(SecretStr(connections.endpoints.slack))


def _unknown(service: str, key: str) -> ConfigurationError:
    return ConfigurationError(
        service, expected="its address", seen="none", remedy=f"Name it in the configuration: {key}."
    )
