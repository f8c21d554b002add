"""Secrets in AWS Secrets Manager: versions and their staging labels."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from rotation_errors import ChangedMeanwhileError, RefusedError, ServiceError
from secret_document import Version

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"
_AGAIN = "Nothing is lost: rotate again."


@functools.cache
def client() -> SecretsManagerClient:
    """Return this process' client; boto3's own variables, such as AWS_ENDPOINT_URL, say where it leads."""
    patience = Config(
        retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=10
    )
    return boto3.client("secretsmanager", config=patience)


@dataclass(frozen=True)
class Description:
    """A secret without its values: what it is called, whether it rotates, who has which label."""

    name: str
    arn: str
    rotates: bool
    labels: Mapping[str, frozenset[str]]

    def holder(self, label: str) -> str | None:
        """Return the id of the version that has a label, or None."""
        return next((version for version, labels in self.labels.items() if label in labels), None)


class Secret:
    """One secret in Secrets Manager."""

    def __init__(self, client: SecretsManagerClient, identifier: str) -> None:
        self._client = client
        self._id = identifier

    def sibling(self, identifier: str) -> Secret:
        """Return another secret of the same account."""
        return Secret(self._client, identifier)

    def describe(self) -> Description:
        """Read all but the values."""
        with self._explained("DescribeSecret"):
            answer = self._client.describe_secret(SecretId=self._id)
        rotates = bool(answer.get("RotationEnabled")) and answer.get("DeletedDate") is None
        stages = answer.get("VersionIdsToStages") or {}
        labels = {version: frozenset(each) for version, each in stages.items()}
        return Description(answer["Name"], answer["ARN"], rotates, labels)

    def version(self, label: str, version_id: str | None = None) -> Version | None:
        """Read the version that has a label; None when there is none, or it has no value yet."""
        which = {"VersionStage": label} | ({"VersionId": version_id} if version_id else {})
        with self._explained("GetSecretValue", "ResourceNotFoundException") as missing:
            answer = self._client.get_secret_value(SecretId=self._id, **which)
        if missing:
            return None
        return Version(answer["Name"], answer["VersionId"], answer.get("SecretString", ""))

    def current(self) -> Version:
        """Read the version that is in use.

        Raises:
            RefusedError: There is none.
        """
        found = self.version(CURRENT)
        if found is None:
            remedy = "Populate the secret before it is rotated."
            raise RefusedError(self._id, expected=f"a value with {CURRENT}", seen="none", remedy=remedy)
        return found

    def add(self, version_id: str, text: str, label: str) -> None:
        """Store a new version; one that is there already keeps its value."""
        with self._explained("PutSecretValue", "ResourceExistsException"):
            self._client.put_secret_value(
                SecretId=self._id, ClientRequestToken=version_id, SecretString=text, VersionStages=[label]
            )

    def promote(self, version_id: str, *, instead_of: str) -> None:
        """Move AWSCURRENT in one call from the version that is expected to have it.

        Raises:
            ChangedMeanwhileError: That one has it no longer.
        """
        with self._explained("UpdateSecretVersionStage", "InvalidParameterException") as refused:
            self._client.update_secret_version_stage(
                SecretId=self._id,
                VersionStage=CURRENT,
                MoveToVersionId=version_id,
                RemoveFromVersionId=instead_of,
            )
        if refused:
            seen = "another rotation moved it"
            raise ChangedMeanwhileError(
                self._id, expected=f"{CURRENT} on {instead_of}", seen=seen, remedy=_AGAIN
            )

    def unlabel(self, version_id: str, label: str) -> None:
        """Take a label from a version; no matter if it is gone already."""
        with self._explained("UpdateSecretVersionStage", "InvalidParameterException"):
            self._client.update_secret_version_stage(
                SecretId=self._id, VersionStage=label, RemoveFromVersionId=version_id
            )

    @contextmanager
    def _explained(self, operation: str, *awaited: str) -> Iterator[list[str]]:
        """Turn errors into ours; codes that are awaited are collected instead."""
        met: list[str] = []
        try:
            yield met
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "no code")
            if code not in awaited:
                raise self._failed(operation, code) from None
            met.append(code)
        except BotoCoreError as error:
            raise self._failed(operation, type(error).__name__) from None

    def _failed(self, operation: str, seen: str) -> ServiceError:
        expected = f"an answer to {operation}"
        return ServiceError(self._id, expected=expected, seen=seen, remedy="The rotation can be retried.")
