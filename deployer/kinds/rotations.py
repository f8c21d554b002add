"""Rotation as Secrets Manager has it configured: by which function, and how often."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deployer.changes import Action, Change, differences
from deployer.desired import Desired
from deployer.kinds.functions import Functions
from deployer.kinds.kind import Kind, Observed

_SERVERS_FAULT = 500  # HTTP


@dataclass(frozen=True, slots=True)
class RotationState:
    """A secret's rotation as it was observed.

    Attributes:
        function: ARN of the function; None where there is none.
        every_days: Days between two rotations; 0 for another kind of schedule, or none.
        next: When the next one is due, as AWS says it.
    """

    enabled: bool
    function: str | None
    every_days: int
    next: str | None


class Rotations(Kind[RotationState]):
    """The rotation of each secret that a function rotates; nothing is rotated by configuring it."""

    kind = "secret-rotation"

    def __init__(self, desired: Desired, *, functions: Functions, secretsmanager: Any) -> None:  # noqa: ANN401  boto3 client
        super().__init__(desired.rotation.phase)
        self._days = desired.rotation.every_days
        self._client = secretsmanager
        self._wanted = {
            desired.full_name(desired.secret(secret)): functions.arn(function.name)
            for function in desired.rotation.functions
            for secret in function.secrets
        }

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, RotationState]:
        """Read each secret's rotation: one call each."""
        found = {}
        for name in self._wanted if names is None else names:
            try:
                described = self._client.describe_secret(SecretId=name)
            except self._client.exceptions.ResourceNotFoundException:
                continue
            due = described.get("NextRotationDate")
            found[name] = RotationState(
                bool(described.get("RotationEnabled")),
                described.get("RotationLambdaARN") or None,
                described.get("RotationRules", {}).get("AutomaticallyAfterDays", 0),
                due.isoformat() if due else None,
            )
        return found

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare function and schedule."""
        return [self._difference(name, self.seen(observed).get(name)) for name in self._wanted]

    def _difference(self, name: str, state: RotationState | None) -> Change:
        wanted = {"enabled": True, "every_days": self._days, "function": self._wanted[name]}
        if state is None or not (state.enabled or state.function):
            return self.create(name, "it is not rotated", differences({}, wanted))
        before = {"enabled": state.enabled, "every_days": state.every_days, "function": state.function}
        return self.update(name, differences(before, wanted))

    def apply(self, change: Change, observed: Observed) -> None:  # noqa: ARG002  the call says all there is
        """Configure one rotation; the first one comes when it is due, or is asked for."""
        try:
            self._client.rotate_secret(
                SecretId=change.name,
                RotationLambdaARN=self._wanted[change.name],
                RotationRules={"AutomaticallyAfterDays": self._days},
                RotateImmediately=False,
            )
        except ClientError as error:
            # The service failed over its answer; whether it had done it by then, it has to show.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < _SERVERS_FAULT:
                raise
            state = self.observe({change.name}).get(change.name)
            if self._difference(change.name, state).action is not Action.NONE:
                raise
