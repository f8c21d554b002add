"""A secret's rotation as LocalStack holds it: its configuration, its versions and their labels."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

from .refusals import refusal

CURRENT = "AWSCURRENT"
PENDING = "AWSPENDING"

_DAY = 86_400
_LONGEST_DAYS = 1000
_LONGEST_FUNCTION = 2048


class RotatedSecret:
    """One secret.

    Args:
        account: Its account.
        region: Its region.
        name_or_arn: Its name or ARN, or an ARN without its last six characters.

    Raises:
        CommonServiceException: There is none, or it is about to be deleted.

    Attributes:
        arn: Its ARN.
        name: Its name.
    """

    def __init__(self, account: str, region: str, name_or_arn: str) -> None:
        # Secrets Manager's model takes a moment to import, which a start without secrets does not need.
        from moto.secretsmanager.models import secretsmanager_backends  # noqa: PLC0415

        secret: Any = secretsmanager_backends[account][region].secrets.get(name_or_arn)
        if secret is None:
            raise refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        if secret.deleted_date is not None:
            raise refusal(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )
        self._secret = secret
        self.arn = str(secret.arn)
        self.name = str(secret.name)

    @property
    def function(self) -> str | None:
        """ARN of the function that rotates it."""
        return self._secret.rotation_lambda_arn or None

    def require_new(self, version: str, text: str | None, binary: bytes | None) -> None:
        """Refuse to give a version another value than it has; LocalStack lets pending ones change.

        Raises:
            CommonServiceException: It has another.
        """
        held = self._secret.versions.get(version) or {}
        given = {"secret_string": text, "secret_binary": base64.b64encode(binary) if binary else None}
        if any(held.get(name) for name in given) and any(
            (held.get(name) or None) != value for name, value in given.items()
        ):
            raise refusal(
                "ResourceExistsException",
                "A resource with the ID you requested already exists.  "
                "You can't modify an existing version, you can only create a new version.",
            )

    def configure(self, function: str | None, rules: Mapping[str, Any] | None) -> None:
        """Set what is given of its function and schedule, and switch rotation on.

        Raises:
            CommonServiceException: There is no function, or the schedule is not one.
        """
        days = self._days(rules or {})
        if not (function or self.function):
            raise refusal(
                "InvalidRequestException",
                "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN "
                "configured and you didn't include such an ARN as a parameter in this call.",
            )
        if function and len(function) > _LONGEST_FUNCTION:
            raise refusal("InvalidParameterException", "RotationLambdaARN must <= 2048 characters long.")
        secret = self._secret
        secret.rotation_lambda_arn = function or self.function
        secret.auto_rotate_after_days = days
        secret.rotation_enabled = secret.rotation_requested = True
        self._schedule()

    def _days(self, rules: Mapping[str, Any]) -> int | None:
        if set(rules) - {"AutomaticallyAfterDays"}:
            raise refusal(
                "InvalidParameterException",
                "Of RotationRules, this environment has AutomaticallyAfterDays only.",
            )
        days = rules.get("AutomaticallyAfterDays")
        if days is None:
            return self._secret.auto_rotate_after_days or None
        if not 1 <= int(days) <= _LONGEST_DAYS:
            raise refusal(
                "InvalidParameterException", "RotationRules.AutomaticallyAfterDays must be within 1-1000."
            )
        return int(days)

    def _schedule(self) -> None:
        secret, days = self._secret, self._secret.auto_rotate_after_days
        secret.next_rotation_date = int(time.time()) + days * _DAY if days else None

    def switch_off(self) -> None:
        """Rotate it no longer by schedule."""
        self._secret.rotation_enabled = False
        self._secret.next_rotation_date = None

    def rotated(self) -> None:
        """Take note of a rotation that has succeeded, and schedule the next one."""
        self._secret.last_rotation_date = int(time.time())
        if self._secret.rotation_enabled:
            self._schedule()

    def labels(self, version: str) -> frozenset[str]:
        """Return the labels of a version; none if there is no such version."""
        return frozenset(self._secret.versions.get(version, {}).get("version_stages", ()))

    def pending(self) -> str | None:
        """Return the version that is pending and not current."""
        for version in map(str, list(self._secret.versions)):
            labels = self.labels(version)
            if PENDING in labels and CURRENT not in labels:
                return version
        return None

    @property
    def has_value(self) -> bool:
        """Whether a version is current."""
        return any(CURRENT in self.labels(version) for version in map(str, list(self._secret.versions)))

    def add_pending(self, version: str, *, with_current_value: bool) -> None:
        """Add a version with AWSPENDING, empty or with the value that is current."""
        value: dict[str, Any] = {}
        if with_current_value:
            current = self._secret.versions.get(self._secret.default_version_id, {})
            value = {name: current[name] for name in ("secret_string", "secret_binary") if name in current}
        self._secret.remove_version_stages_from_old_versions([PENDING])
        self._secret.versions[version] = {
            "createdate": int(time.time()),
            "version_id": version,
            "version_stages": [PENDING],
            **value,
        }

    def remove(self, version: str) -> None:
        """Remove a version that nobody has made current."""
        if CURRENT not in self.labels(version):
            self._secret.versions.pop(version, None)
