"""Faults of the key that secrets are encrypted with."""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import ClientError

from deployer.cluster import Cluster
from deployer.connections import Connections
from deployer.rendering import condition
from faults.contract import Undo

DISABLED = "enable-key"
_API = "external-secrets.io/v1beta1"


class KeyDisabled:
    """The key is disabled, and secrets cannot be read.

    Args:
        connections: The place.
        key: Id, ARN or alias.
        namespace: Where the external secrets are that need it.
    """

    what = "the key is disabled"

    def __init__(self, connections: Connections, key: str, namespace: str) -> None:
        self._kms = connections.aws("kms")
        self._cluster = Cluster(connections.kubernetes)
        self._namespace = namespace
        self._key: str = self._kms.describe_key(KeyId=key)["KeyMetadata"]["KeyId"]

    @property
    def undo(self) -> Undo:
        """Enable it."""
        return Undo(DISABLED, {"key": self._key})

    def inject(self) -> None:
        """Disable it."""
        self._kms.disable_key(KeyId=self._key)

    def unfelt(self) -> str | None:
        """The operator feels it: an external secret is not ready any more."""
        for each in self._cluster.list(_API, "ExternalSecret", self._namespace):
            ready = condition(each, "Ready")
            if ready is not None and ready["status"] != "True":
                return None
        return "every external secret is ready"

    def heal(self) -> None:
        """Enable it."""
        self._kms.enable_key(KeyId=self._key)


def enable(connections: Connections, parameters: Mapping[str, str]) -> None:
    """Enable a key, if it is still there."""
    try:
        connections.aws("kms").enable_key(KeyId=parameters["key"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
