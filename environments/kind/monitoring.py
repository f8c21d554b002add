"""What the container of Prometheus, Alertmanager and those who are told begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client import ApiClient

from deployer.files import replace_atomically
from environments.certificates import Issuer, pem, subject
from environments.embedded.control_plane.authority import KeyPair
from environments.embedded.control_plane.configuration import kubeconfig
from environments.monitoring import configuration, programs
from environments.monitoring.files import File
from environments.monitoring.receivers import Receivers


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The monitoring of one environment.

    Attributes:
        directory: With all of its files.
        host: Address at which it listens.
        receivers: Whom Alertmanager tells; they serve in the container, not here.
    """

    directory: Path
    host: str
    receivers: Receivers

    @property
    def prometheus(self) -> str:
        """Base URL of Prometheus."""
        return f"http://{self.host}:{programs.PROMETHEUS_PORT}"

    @property
    def alertmanager(self) -> str:
        """Base URL of Alertmanager."""
        return f"http://{self.host}:{programs.ALERTMANAGER_PORT}"


def admit(kubernetes: ApiClient) -> None:
    """Make what the cluster has to know: the kind of rules, and who may follow them."""
    definitions: Any = client.ApiextensionsV1Api(kubernetes)  # it takes plain data as well
    rights: Any = client.RbacAuthorizationV1Api(kubernetes)
    role, binding = configuration.rights()
    definitions.create_custom_resource_definition(configuration.rule_definition())
    rights.create_cluster_role(role)
    rights.create_cluster_role_binding(binding)


def prepare(directory: Path, *, host: str, api_server: str, issuer: Issuer) -> Monitoring:
    """Write its files.

    Args:
        directory: Where; it is made.
        host: Address of the node whose network the container shares.
        api_server: URL of the cluster's API.
        issuer: The cluster's authority.
    """
    (directory / File.RULES).mkdir(parents=True)
    receivers = Receivers(host)
    files = {
        File.KUBECONFIG: _kubeconfig(directory, api_server, issuer),
        File.SLACK_URL: receivers.slack,
        File.PAGERDUTY_KEY: receivers.routing_key.get_secret_value(),
        File.SCRAPES: configuration.scrape_jobs(directory / File.KUBECONFIG),
        File.PROMETHEUS: configuration.prometheus(
            alertmanager=f"{host}:{programs.ALERTMANAGER_PORT}",
            rules=directory / File.RULES,
            scrapes=directory / File.SCRAPES,
        ),
        File.ALERTMANAGER: configuration.alertmanager(
            slack=directory / File.SLACK_URL,
            pagerduty_key=directory / File.PAGERDUTY_KEY,
            pagerduty=receivers.pagerduty,
        ),
    }
    for name, content in files.items():
        replace_atomically(directory / name, content)
    return Monitoring(directory, host, receivers)


def _kubeconfig(directory: Path, api_server: str, issuer: Issuer) -> str:
    issued = issuer.issue(subject(configuration.IDENTITY), usage="client")
    authority, pair = directory / "authority.crt", KeyPair(directory / "client.crt", directory / "client.key")
    replace_atomically(authority, pem(issuer.certificate).decode())
    replace_atomically(pair.certificate, issued.certificate.decode())
    replace_atomically(pair.key, issued.key.decode())
    return kubeconfig(api_server, authority, configuration.IDENTITY, pair)
