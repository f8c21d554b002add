"""A Kubernetes client that is asked for reading only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from urllib3 import Retry

from environments.guard.guard import Guard

# The API server says with 429 and Retry-After that it has too much to do.
_RETRIES = Retry(
    total=5,
    connect=2,
    read=0,
    status=5,
    status_forcelist={429},
    backoff_factor=0.3,
    backoff_jitter=0.5,
    raise_on_status=False,  # the last answer is the one to tell
)


class ReadOnlyApiClient(ApiClient):
    """Has every request judged before it is sent.

    Args:
        configuration: Whom it asks, and as whom.
        guard: The judge.
    """

    def __init__(self, configuration: Configuration, guard: Guard) -> None:
        super().__init__(configuration)
        self._guard = guard

    def call_api(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  the client's own
        """Send a request that only reads.

        Raises:
            ForbiddenCallError: It does more; it has not been sent.
        """
        self._guard.kubernetes(method, url.removeprefix(self.configuration.host))
        return super().call_api(method, url, *arguments, **options)

    def __setattr__(self, name: str, value: object) -> None:
        # kubernetes.stream puts its own sender here, for commands in containers and forwarded ports.
        if name == "call_api":
            self._guard.refuse("Kubernetes stream", expected="no connection into a container")
        super().__setattr__(name, value)


def read_only_client(kubeconfig: Path, context: str, guard: Guard) -> ReadOnlyApiClient:
    """Make a client for a context; the kubeconfig is left as it is."""
    configuration = Configuration()
    config.load_kube_config(  # type: ignore[no-untyped-call]  # it has no types
        config_file=str(kubeconfig),
        context=context,
        client_configuration=configuration,
        persist_config=False,
    )
    return ReadOnlyApiClient(retrying(configuration), guard)


def retrying(configuration: Configuration) -> Configuration:
    """Have a client wait, with jitter, when the API server has too much to do."""
    configuration.retries = _RETRIES
    return configuration
