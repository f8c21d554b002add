"""Secrets Manager in memory: versions and staging labels by AWS' rules, or by LocalStack's.

Only what the rotation functions call is there.  The two differ in two points: LocalStack labels
a pending version anew when its value is stored again, and forgets versions without a label.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


@dataclass
class StoredVersion:
    text: str | None
    labels: set[str] = field(default_factory=set)


@dataclass
class StoredSecret:
    name: str
    versions: dict[str, StoredVersion] = field(default_factory=dict)
    rotates: bool = True

    def holder(self, label: str) -> str | None:
        return next((key for key, each in self.versions.items() if label in each.labels), None)

    def holders(self, label: str) -> list[str]:
        return [key for key, each in self.versions.items() if label in each.labels]

    def text(self, label: str) -> str:
        holder = self.holder(label)
        assert holder is not None
        text = self.versions[holder].text
        assert text is not None
        return text


class InMemorySecretsManager:
    """The store, with the client's methods that the functions use.

    Attributes:
        gate: Called before and after each call of the client's.
        like_localstack: Whether LocalStack's rules hold where they differ from AWS'.
    """

    def __init__(
        self, *, like_localstack: bool = False, gate: Callable[[str], None] = lambda _place: None
    ) -> None:
        self.secrets: dict[str, StoredSecret] = {}
        self.gate = gate
        self.like_localstack = like_localstack
        self.born: set[str] = set()
        self._lock = threading.Lock()

    # What others do: the deployer, Secrets Manager itself, an operator.

    def populate(self, name: str, version_id: str, text: str) -> StoredSecret:
        """Make a secret with its first version."""
        self.secrets[name] = StoredSecret(name, {version_id: StoredVersion(text, {CURRENT})})
        self.born.add(text)
        return self.secrets[name]

    def begin(self, name: str, token: str) -> None:
        """Begin a rotation: the version gets its label, and no value yet."""
        secret = self.secrets[name]
        self._strip(secret, PENDING)
        secret.versions.setdefault(token, StoredVersion(None)).labels.add(PENDING)

    def abandon(self, name: str) -> None:
        """Take AWSPENDING away."""
        self._strip(self.secrets[name], PENDING)

    # The client.

    def describe_secret(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803  boto3's name
        def call() -> Mapping[str, Any]:
            secret = self._secret(SecretId)
            labelled = {key: sorted(each.labels) for key, each in secret.versions.items() if each.labels}
            answer = {"ARN": _arn(secret.name), "Name": secret.name, "VersionIdsToStages": labelled}
            return answer | ({"RotationEnabled": True} if secret.rotates else {})

        return self._call("DescribeSecret", call)

    def get_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803  boto3's name
        VersionStage: str,  # noqa: N803  boto3's name
        VersionId: str | None = None,  # noqa: N803  boto3's name
    ) -> Mapping[str, Any]:
        def call() -> Mapping[str, Any]:
            secret = self._secret(SecretId)
            key = VersionId or secret.holder(VersionStage)
            version = secret.versions.get(key or "")
            if key is None or version is None:
                raise _error("ResourceNotFoundException", "GetSecretValue")
            if VersionStage not in version.labels:
                raise _error("InvalidRequestException", "GetSecretValue")
            if version.text is None:
                raise _error("ResourceNotFoundException", "GetSecretValue")
            return {
                "ARN": _arn(secret.name),
                "Name": secret.name,
                "VersionId": key,
                "SecretString": version.text,
                "VersionStages": sorted(version.labels),
            }

        return self._call("GetSecretValue", call)

    def put_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803  boto3's name
        ClientRequestToken: str,  # noqa: N803  boto3's name
        SecretString: str,  # noqa: N803  boto3's name
        VersionStages: Collection[str],  # noqa: N803  boto3's name
    ) -> Mapping[str, Any]:
        assert CURRENT not in VersionStages, "not offered here"

        def call() -> Mapping[str, Any]:
            self.born.add(SecretString)
            secret = self._secret(SecretId)
            there = secret.versions.get(ClientRequestToken)
            if there is not None and there.text is not None:
                if there.text != SecretString:
                    raise _error("ResourceExistsException", "PutSecretValue")
                if not (self.like_localstack and PENDING in there.labels):
                    return {"VersionId": ClientRequestToken}
            for label in VersionStages:
                self._strip(secret, label)
            labels = set(VersionStages) if self.like_localstack or there is None else there.labels
            secret.versions[ClientRequestToken] = StoredVersion(SecretString, labels | set(VersionStages))
            return {"VersionId": ClientRequestToken}

        return self._call("PutSecretValue", call)

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,  # noqa: N803  boto3's name
        VersionStage: str,  # noqa: N803  boto3's name
        RemoveFromVersionId: str,  # noqa: N803  boto3's name
        MoveToVersionId: str | None = None,  # noqa: N803  boto3's name
    ) -> Mapping[str, Any]:
        def call() -> Mapping[str, Any]:
            secret = self._secret(SecretId)
            source = secret.versions.get(RemoveFromVersionId)
            if source is None or VersionStage not in source.labels:
                raise _error("InvalidParameterException", "UpdateSecretVersionStage")
            if MoveToVersionId is not None and MoveToVersionId not in secret.versions:
                raise _error("InvalidParameterException", "UpdateSecretVersionStage")
            source.labels.remove(VersionStage)
            if MoveToVersionId is not None:
                secret.versions[MoveToVersionId].labels.add(VersionStage)
            if VersionStage == CURRENT:
                for version in secret.versions.values():
                    version.labels.discard(PREVIOUS)
                source.labels.add(PREVIOUS)
            self._forget_unlabelled(secret)
            return {"ARN": _arn(secret.name), "Name": secret.name}

        return self._call("UpdateSecretVersionStage", call)

    def _call(self, operation: str, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        self.gate(f"before {operation}")
        with self._lock:
            answer = call()
        self.gate(f"after {operation}")
        return answer

    def _secret(self, identifier: str) -> StoredSecret:
        name = identifier.rpartition(":secret:")[2].removesuffix("-AbCdEf")
        if name not in self.secrets:
            raise _error("ResourceNotFoundException", "DescribeSecret")
        return self.secrets[name]

    def _strip(self, secret: StoredSecret, label: str) -> None:
        for version in secret.versions.values():
            version.labels.discard(label)
        self._forget_unlabelled(secret)

    def _forget_unlabelled(self, secret: StoredSecret) -> None:
        if self.like_localstack:
            for key in [key for key, each in secret.versions.items() if not each.labels]:
                del secret.versions[key]


def _arn(name: str) -> str:
    return f"arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-AbCdEf"


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)
