"""A secret as Secrets Manager holds it: its versions, their labels and their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from deployer.desired_secrets import DesiredSecret
from deployer.errors import NotReadyError
from deployer.kinds.values import OnSecret
from deployer.shapes import Fields, parse

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"


class Stored:
    """One secret.

    Args:
        client: Client of Secrets Manager.
        name: The secret's full name.
        desired: What it should hold.
        on_secret: Told of every value.
    """

    def __init__(self, client: Any, name: str, desired: DesiredSecret, on_secret: OnSecret) -> None:  # noqa: ANN401  boto3 client
        self._client = client
        self.name = name
        self._desired = desired
        self._on_secret = on_secret

    def described(self) -> dict[str, Any]:
        """Return what AWS says of it.

        Raises:
            NotReadyError: It is not there.
        """
        try:
            described: dict[str, Any] = self._client.describe_secret(SecretId=self.name)
        except self._client.exceptions.ResourceNotFoundException:
            raise NotReadyError(
                f"secret {self.name}",
                expected="to be there",
                seen="none",
                remedy="Deploy first: mita deploy",
            ) from None
        return described

    def versions(self) -> tuple[str | None, str | None]:
        """Return the ids of the current version and of another that is pending."""
        labels: Mapping[str, list[str]] = self.described().get("VersionIdsToStages", {})
        current, pending = (
            next((version for version, held in labels.items() if label in held), None)
            for label in (CURRENT, PENDING)
        )
        return current, None if pending == current else pending

    def fields(self, label: str) -> Fields:
        """Return the value of the version that carries a label.

        Raises:
            NotReadyError: It has not the form of a secret.
        """
        answer = self._client.get_secret_value(SecretId=self.name, VersionStage=label)
        fields = parse(answer["SecretString"])
        if fields is None:
            raise NotReadyError(
                f"secret {self.name}",
                expected="a JSON object of texts and numbers",
                seen="something else",
                remedy=f"Populate it anew: mita deploy --replace-secret {self._desired.name}",
            )
        for name in self._desired.confidential():
            value = fields.get(name)
            if isinstance(value, SecretStr):
                self._on_secret(f"{self._desired.name}.{name}", value)
        return fields

    def put_pending(self, version: str, fields: Mapping[str, SecretStr]) -> None:
        """Store a value as the pending version."""
        self._client.put_secret_value(
            SecretId=self.name,
            ClientRequestToken=version,
            SecretString=json.dumps({name: value.get_secret_value() for name, value in fields.items()}),
            VersionStages=[PENDING],
        )

    def give_up(self, version: str) -> None:
        """Take the pending label off a version."""
        self._client.update_secret_version_stage(
            SecretId=self.name, VersionStage=PENDING, RemoveFromVersionId=version
        )
