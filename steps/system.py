"""The deployed system, as the step definitions reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deployer.cluster import Cluster
from deployer.connections import Connections
from deployer.deployment import Deployment
from deployer.desired import Desired
from deployer.fingerprint import Fingerprints
from deployer.progress import Progress, silent
from deployer.shapes import Fields, parse
from deployer.supplied import Supplied
from environments.protocol import Environment

_PLANTED = "planted-readers"  # names, random ones, a line each

OnSecret = Callable[[str, SecretStr], None]


@dataclass(frozen=True)
class Candidate:
    """What a deployment is attempted with.

    Attributes:
        connections: The place.
        desired: The desired state.
        supplied: The operator's values.
    """

    connections: Connections
    desired: Desired
    supplied: Supplied

    def to(self, **changes: Any) -> Candidate:  # noqa: ANN401  any attribute of the connections
        """Return a candidate whose connections differ."""
        return replace(self, connections=replace(self.connections, **changes))


class System:
    """The system under test: its environment, what is desired of it, and clients.

    Attributes:
        environment: Where it is deployed.
        candidate: What it is deployed with.
        receipts: Directory of the deployment's receipts.
        on_secret: Told of every secret value that comes by.
        fingerprints: Compares values without showing them.
        consumers: For each secret that was rotated, the pods that are known to have used it since.
    """

    def __init__(
        self, environment: Environment, candidate: Candidate, *, receipts: Path, on_secret: OnSecret
    ) -> None:
        self.environment = environment
        self.candidate = candidate
        self.receipts = receipts
        self.on_secret = on_secret
        self.fingerprints = Fingerprints()
        self.consumers: dict[str, frozenset[str]] = {}
        self._clients: dict[str, Any] = {}

    @property
    def planted_readers(self) -> frozenset[str]:
        """Who read secrets without being meant to, because a scenario of this or an earlier run made them."""
        file = self.receipts / _PLANTED
        return frozenset(file.read_text(encoding="utf-8").split()) if file.exists() else frozenset()

    def plant_reader(self, name: str) -> None:
        """Take note of a reader whom a scenario makes; the trails keep what it reads after the run."""
        self.receipts.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.receipts / _PLANTED).open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    @property
    def connections(self) -> Connections:
        """The connections of the environment."""
        return self.candidate.connections

    @property
    def desired(self) -> Desired:
        """The desired state."""
        return self.candidate.desired

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster's API."""
        return Cluster(self.connections.kubernetes)

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
        """Return a client of an AWS service, made once."""
        if service not in self._clients:
            self._clients[service] = self.connections.aws(service)
        return self._clients[service]

    def deployment(self, candidate: Candidate | None = None, *, progress: Progress = silent) -> Deployment:
        """Return a deployment of the system, or of what a scenario makes of it."""
        chosen = candidate or self.candidate
        return Deployment(
            chosen.connections,
            chosen.desired,
            receipts=self.receipts,
            supplied=chosen.supplied,
            progress=progress,
            on_secret=self.on_secret,
        )

    def full_name(self, secret: str) -> str:
        """Return a secret's name in Secrets Manager."""
        return self.desired.secret_store.prefix + secret

    def stored(self, secret: str) -> Fields:
        """Read the current value of a secret, by its name below the prefix.

        Raises:
            AssertionError: It is no JSON object of texts and numbers.
        """
        answer = self.aws("secretsmanager").get_secret_value(SecretId=self.full_name(secret))
        return self.fields(answer["SecretString"], secret)

    def fields(self, text: str, secret: str) -> Fields:
        """Read a value of a secret.

        Raises:
            AssertionError: It is no JSON object of texts and numbers.
        """
        fields = parse(text)
        assert fields is not None, f"the value of {secret} is no JSON object of texts and numbers"
        for name in self.desired.secret(secret).confidential():
            value = fields.get(name)
            if isinstance(value, SecretStr):
                self.on_secret(f"{secret}.{name}", value)
        return fields

    def version(self, secret: str) -> str:
        """Return the id of a secret's current version."""
        answer = self.aws("secretsmanager").describe_secret(SecretId=self.full_name(secret))
        stages: dict[str, list[str]] = answer["VersionIdsToStages"]
        (current,) = (version for version, labels in stages.items() if "AWSCURRENT" in labels)
        return current


def text_of(value: SecretStr | int) -> str:
    """Return a field's value as text; only for calculations, never for messages."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
