"""Rotation of secrets as Secrets Manager does it: asynchronously, step by step, told in the trail.

What LocalStack does instead runs inside the call, swallows a first rotation's errors and says
that it succeeded.  Here as on AWS the call answers at once; each step invokes the function as
Secrets Manager, with its own permission to do so; a step that fails ends the rotation and
leaves AWSPENDING where it is.  Nothing rotates by schedule: the date is told, and passes.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.connect import connect_to

from . import records
from .calls import Call
from .refusals import refusal
from .rotation_state import CURRENT, RotatedSecret
from .trail import Trail

LOG = logging.getLogger(__name__)

_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
# Longer than a function may take.
_PATIENCE = Config(read_timeout=930, retries={"total_max_attempts": 1})


@dataclass(slots=True)
class _Run:
    """Steps for one version of one secret, on their way."""

    secret: RotatedSecret
    version: str
    account: str
    region: str
    is_test: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


class _StepError(Exception):
    """A step was not done; the text holds nothing of what the function said."""


class Rotations:
    """All rotations.

    Args:
        trail: Where their beginnings and ends are told.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def rotate(self, call: Call) -> dict[str, Any]:
        """Answer RotateSecret.

        Raises:
            CommonServiceException: It cannot be rotated, or the last rotation is not complete;
                that one is then tried again.
        """
        parameters = call.parameters
        version = str(parameters.get("ClientRequestToken") or "")
        if not version:
            raise refusal(
                "InvalidRequestException",
                "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
            )
        secret = RotatedSecret(call.account, call.region, str(parameters.get("SecretId", "")))
        answer = {"ARN": secret.arn, "Name": secret.name, "VersionId": version}
        self._await_test(secret.arn)
        with self._lock:
            secret.configure(parameters.get("RotationLambdaARN"), parameters.get("RotationRules"))
            unfinished = secret.pending()
            run = _Run(secret, unfinished or version, call.account, call.region)
            if parameters.get("RotateImmediately") is False:
                if unfinished is None and secret.has_value:
                    run.is_test = True
                    secret.add_pending(version, with_current_value=True)
                    self._start(run)
                return answer
            if secret.labels(version) and unfinished is None:
                return answer  # the same call again
            if unfinished is None:
                secret.add_pending(version, with_current_value=False)
            if secret.arn not in self._runs:
                self._start(run)
        if unfinished is not None and unfinished != version:
            raise refusal(
                "InvalidRequestException",
                "A previous rotation isn't complete. That rotation will be reattempted.",
            )
        return answer

    def cancel(self, call: Call) -> dict[str, Any]:
        """Answer CancelRotateSecret: the step on its way is the last; AWSPENDING stays.

        Raises:
            CommonServiceException: The secret is not rotated.
        """
        secret = RotatedSecret(call.account, call.region, str(call.parameters.get("SecretId", "")))
        if not secret.function:
            raise refusal(
                "InvalidRequestException",
                "You tried to cancel rotation of a secret that doesn't have rotation configured.",
            )
        answer = {"ARN": secret.arn, "Name": secret.name}
        with self._lock:
            secret.switch_off()
            run = self._runs.get(secret.arn)
            if run is not None:
                run.cancelled.set()
        if pending := secret.pending():
            answer["VersionId"] = pending
        return answer

    def _await_test(self, arn: str) -> None:
        """Let a test of the configuration end, whose version would look like a rotation's."""
        run = self._runs.get(arn)
        if run is not None and run.is_test:
            run.ended.wait()

    def _start(self, run: _Run) -> None:
        self._runs[run.secret.arn] = run
        self._tell(run, "Started")
        threading.Thread(target=self._do, args=(run,), name="rotation", daemon=True).start()

    def _do(self, run: _Run) -> None:
        try:
            _steps(run)
            outcome = "Succeeded"
        except _StepError as error:
            LOG.warning("Rotation of %s: %s", run.secret.name, error)
            outcome = "Failed"
        except Exception:
            LOG.exception("Rotation of %s", run.secret.name)
            outcome = "Failed"
        with self._lock:
            if run.is_test:
                run.secret.remove(run.version)
            elif outcome == "Succeeded":
                run.secret.rotated()
            del self._runs[run.secret.arn]
            self._tell(run, outcome)
        run.ended.set()

    def _tell(self, run: _Run, what: str) -> None:
        event = f"{'Test' if run.is_test else ''}Rotation{what}"
        self._trail.append(
            records.service_event(
                "secretsmanager", event, account=run.account, region=run.region, resource=run.secret.arn
            )
        )


def _steps(run: _Run) -> None:
    for step in ("testSecret",) if run.is_test else _STEPS:
        if run.cancelled.is_set():
            raise _StepError(f"{step} was cancelled")
        _invoke(run, step)
    if not run.is_test and CURRENT not in run.secret.labels(run.version):
        raise _StepError(f"finishSecret left {CURRENT} elsewhere")


def _invoke(run: _Run, step: str) -> None:
    event = {"Step": step, "SecretId": run.secret.arn, "ClientRequestToken": run.version}
    functions = connect_to(region_name=run.region, aws_access_key_id=run.account, config=_PATIENCE).lambda_
    client = functions.request_metadata(service_principal="secretsmanager", source_arn=run.secret.arn)
    try:
        answer = client.invoke(FunctionName=run.secret.function, Payload=json.dumps(event).encode())
        payload = answer["Payload"].read()
    except ClientError as error:
        raise _StepError(f"{step} was refused with {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise _StepError(f"{step} ended with {type(error).__name__}") from error
    if answer.get("FunctionError"):
        raise _StepError(f"{step} failed with {_kind(payload)}")


def _kind(payload: bytes) -> str:
    try:
        return str(json.loads(payload)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "an error"
