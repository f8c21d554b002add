"""Forces a rotation, follows it, and sees that the new value is used."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from filelock import FileLock, Timeout
from pydantic import SecretStr

from deployer.cluster import Cluster
from deployer.connections import Connections
from deployer.desired import Desired
from deployer.errors import ConfigurationError, NotReadyError, RefusedError
from deployer.eventually import eventually
from deployer.kinds.values import OnSecret
from deployer.progress import Progress, Step, silent
from deployer.rotation import function_log
from deployer.rotation.consumers import Consumers, renewed
from deployer.rotation.logins import provable, require_accepted
from deployer.rotation.record import STEPS, Hop, Kind, Rotated, now
from deployer.shapes import Fields, parse
from deployer.supplied import Supplied, require_form

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
# Failures after which the same rotation may succeed without anybody doing anything.
_PASSING = {"SessionsOpenError", "BusyError", "ChangedMeanwhileError"}
_POLL = 0.1  # seconds
_RETRY_PAUSE = 1.0
_LOG_SECONDS = 10.0

Observe = Callable[[Hop], None]


def _unobserved(_hop: Hop) -> None:
    """Take no note of a hop."""


class Rotator:
    """Rotates one secret.

    Args:
        connections: The place.
        desired: The desired state.
        secret: Name below the prefix.
        locks: Directory of the lock that keeps two rotations, and a deployment, apart.
        progress: Told of every step.
        on_secret: Told of every value.
        observe: Told of every hop as it is seen.
        deadline: Seconds for the whole rotation.

    Raises:
        ConfigurationError: There is no such secret, or nothing rotates it.
    """

    def __init__(
        self,
        connections: Connections,
        desired: Desired,
        secret: str,
        *,
        locks: Path,
        progress: Progress = silent,
        on_secret: OnSecret,
        observe: Observe = _unobserved,
        deadline: float = 300.0,
    ) -> None:
        self._desired_secret = desired.secret(secret)
        function = desired.rotation.by(secret)
        if function is None:
            rotated = [name for each in desired.rotation.functions for name in each.secrets]
            raise ConfigurationError(
                f"secret {secret}",
                expected=f"one that a function rotates: {', '.join(rotated)}",
                seen="one that nothing rotates",
                remedy="Name one of those.",
            )
        self._function = function
        self._name = desired.secret_store.prefix + secret
        self._connections = connections
        self._desired = desired
        self._locks = locks
        self._progress = progress
        self._on_secret = on_secret
        self._observe = observe
        self._deadline = deadline
        self._client = connections.aws("secretsmanager")
        self._logs = connections.aws("logs")
        self._began = now()
        self._clock = time.monotonic()
        self._hops: list[Hop] = []
        self._told: set[tuple[str, str, datetime]] = set()

    # ---- what can be asked for

    def rotate(
        self, *, resume: bool = False, nudge: bool = True, supplied: Supplied | None = None
    ) -> Rotated:
        """Rotate, and wait until every consumer uses the new value.

        Args:
            resume: Take up the version that an earlier rotation left pending.
            nudge: Have the operator look at once, instead of at its next turn.
            supplied: The new value of a secret that others issue.

        Raises:
            RefusedError: A rotation is under way, or was left half done and is not to be resumed.
            NotReadyError: It failed, or was not complete within the deadline.
        """
        with self._alone():
            labels = self._labels()
            before = _holder(labels, CURRENT)
            pending = _holder(labels, PENDING)
            if pending == before:
                pending = None
            self._require_startable(before, pending, resume=resume)
            old = self._value(CURRENT)
            consumers = Consumers(Cluster(self._connections.kubernetes), self._desired, self._name)
            used = consumers.pods()
            self._began, self._clock = now(), time.monotonic()
            version = pending or self._supply(supplied or {}) or str(uuid.uuid4())
            self._ask(version)
            self._follow(version)
            fields = self._value(CURRENT)
            self._prove(old, fields)
            if nudge:
                consumers.nudge()
            self._await_copies(consumers, fields)
            self._await_pods(consumers, used)
            self._await_log(version)
            hops = tuple(sorted(self._hops, key=lambda hop: hop.at))
            return Rotated(self._desired_secret.name, version, str(before), self._began, hops)

    def abandon(self) -> str | None:
        """Give up a version that was left pending; the current one goes on as it is.

        Returns:
            Id of the version; None where nothing was pending.
        """
        with self._alone():
            labels = self._labels()
            pending = _holder(labels, PENDING)
            if pending is None or pending == _holder(labels, CURRENT):
                return None
            self._client.update_secret_version_stage(
                SecretId=self._name, VersionStage=PENDING, RemoveFromVersionId=pending
            )
            return pending

    # ---- before

    def _alone(self) -> AbstractContextManager[object]:
        self._locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._locks / "apply.lock"
        try:
            return FileLock(file, timeout=0).acquire()
        except Timeout:
            raise RefusedError(
                f"rotation of {self._desired_secret.name}",
                expected="no deployment and no other rotation at the same time",
                seen=f"{file} is held",
                remedy="Wait until the other one ends.",
            ) from None

    def _describe(self) -> dict[str, Any]:
        try:
            described: dict[str, Any] = self._client.describe_secret(SecretId=self._name)
        except self._client.exceptions.ResourceNotFoundException:
            raise NotReadyError(
                f"secret {self._name}",
                expected="to be there",
                seen="none",
                remedy="Deploy first: mita deploy",
            ) from None
        return described

    def _labels(self) -> Mapping[str, list[str]]:
        labels: dict[str, list[str]] = self._describe().get("VersionIdsToStages", {})
        return labels

    def _require_startable(self, before: str | None, pending: str | None, *, resume: bool) -> None:
        subject = f"rotation of {self._desired_secret.name}"
        if not self._describe().get("RotationEnabled"):
            raise NotReadyError(
                subject,
                expected="rotation to be configured",
                seen="it is not",
                remedy="Deploy it: mita deploy --through rotation",
            )
        if before is None:
            raise NotReadyError(
                subject,
                expected=f"a version labelled {CURRENT}",
                seen="none",
                remedy="Populate it: mita deploy",
            )
        if pending is not None and not resume:
            raise RefusedError(
                subject,
                expected="no version that an earlier rotation left pending",
                seen=f"version {pending} with {PENDING}",
                remedy="Finish it with --resume, or give it up with --abandon.",
            )
        if pending is None and resume:
            raise RefusedError(
                subject, expected="a version left pending", seen="none", remedy="Leave out --resume."
            )

    def _supply(self, supplied: Supplied) -> str | None:
        """Store a new value that others issued, and return its version."""
        if self._function.module != "external_rotation":
            return None
        name = self._desired_secret.name
        mine = {field: value for (secret, field), value in supplied.items() if secret == name}
        missing = sorted(self._desired_secret.fields.keys() - mine.keys())
        if missing:
            raise ConfigurationError(
                f"new value of {name}",
                expected=f"{', '.join(missing)}, which only its issuer can make",
                seen="nothing",
                remedy="Give it with --secrets-file, or by the variables that `mita deploy` takes.",
            )
        for field, value in mine.items():
            self._on_secret(f"{name}.{field}", value)
        require_form(self._desired, {(name, field): value for field, value in mine.items()})
        version = str(uuid.uuid4())
        self._client.put_secret_value(
            SecretId=self._name,
            ClientRequestToken=version,
            SecretString=_json(mine),
            VersionStages=[PENDING],
        )
        self._hop(Kind.STORED)
        return version

    # ---- during

    def _ask(self, version: str) -> None:
        self._tell("started", "asked for")
        try:
            self._client.rotate_secret(SecretId=self._name, ClientRequestToken=version)
        except ClientError as error:
            if "will be reattempted" not in error.response["Error"]["Message"]:
                raise

    def _follow(self, version: str) -> None:
        """Follow the steps by the function's log, until the labels say that it is complete."""
        since = self._began

        def incomplete() -> str | None:
            nonlocal since
            said = self._read_log(version, since)
            if self._is_current(version):
                return None
            failed = next((each for each in reversed(said) if each.outcome == "failed"), None)
            if failed is not None and said[-1] is failed:
                if failed.error not in _PASSING:
                    raise self._failure(failed)
                time.sleep(_RETRY_PAUSE)  # the same step is asked for again; what is waited for is asked then
                self._ask(version)
                since = failed.at + timedelta(milliseconds=1)
                return f"{failed.step}: {failed.reason}"
            return f"{said[-1].step} {said[-1].outcome}" if said else "the function has not begun"

        eventually(
            incomplete,
            subject=f"rotation of {self._desired_secret.name}",
            deadline=self._left(),
            remedy="Read the function's log; then finish with --resume, or give up with --abandon.",
            longest_pause=_POLL,
        )
        self._hop(Kind.CURRENT)

    def _await_log(self, version: str) -> None:
        """Read what the function said last: its log is later than what it did, and may stay so."""
        end = time.monotonic() + _LOG_SECONDS
        while not any(hop.subject == STEPS[-1] for hop in self._hops) and time.monotonic() < end:
            self._read_log(version, self._began)
            time.sleep(_POLL)

    def _read_log(self, version: str, since: datetime) -> list[function_log.StepReport]:
        said = list(function_log.reports(self._logs, self._function.log_group, version, since))
        for report in said:
            if (key := (report.step, report.outcome, report.at)) not in self._told:
                self._told.add(key)
                self._report(report)
        return said

    def _report(self, report: function_log.StepReport) -> None:
        if report.ended:
            self._hop(Kind.STEP, report.step, at=report.at)
        elif report.outcome == "failed":
            self._tell("progress", f"{report.step} failed: {report.reason or report.error}")
        else:
            self._tell("progress", report.step)

    def _failure(self, report: function_log.StepReport) -> NotReadyError:
        return NotReadyError(
            f"rotation of {self._desired_secret.name}",
            expected=f"{report.step} to be done",
            seen=report.reason or report.error,
            remedy=f"The value before goes on working.  Put right what is named, then `mita rotate "
            f"{self._desired_secret.name} --resume`; or give up: --abandon.",
        )

    def _is_current(self, version: str) -> bool:
        labels = self._labels()
        return CURRENT in labels.get(version, ()) and _holder(labels, PENDING) in (None, version)

    # ---- after

    def _value(self, label: str) -> Fields:
        answer = self._client.get_secret_value(SecretId=self._name, VersionStage=label)
        fields = parse(answer["SecretString"])
        if fields is None:
            raise NotReadyError(
                f"secret {self._name}",
                expected="a JSON object of texts and numbers",
                seen="something else",
                remedy="Populate it anew: mita deploy --replace-secret " + self._desired_secret.name,
            )
        for name in self._desired_secret.confidential():
            value = fields.get(name)
            if isinstance(value, SecretStr):
                self._on_secret(f"{self._desired_secret.name}.{name}", value)
        return fields

    def _prove(self, old: Fields, new: Fields) -> None:
        if provable(self._function.module, self._connections):
            require_accepted(self._function.module, new, f"the new value of {self._desired_secret.name}")
            self._hop(Kind.LOGIN, "with the new value")
            require_accepted(self._function.module, old, f"the old value of {self._desired_secret.name}")
            self._hop(Kind.LOGIN, "with the value before")

    def _await_copies(self, consumers: Consumers, fields: Fields) -> None:
        waiting = {copy.name: copy for copy in consumers.copies}

        def missing() -> str | None:
            for name, copy in list(waiting.items()):
                if (version := consumers.resource_version(copy, fields)) is not None:
                    del waiting[name]
                    self._hop(Kind.COPY, name, version)
            return f"{', '.join(waiting)} with the value before" if waiting else None

        self._await(missing, "the cluster's copies", "Look at the ExternalSecret and the operator's log.")

    def _await_pods(self, consumers: Consumers, used: Mapping[str, Any]) -> None:
        seen: set[str] = set()

        def missing() -> str | None:
            after = consumers.pods()
            fresh = renewed(used, after)
            for name in sorted(fresh - seen):
                self._hop(Kind.POD, name)
            seen.update(fresh)
            stale = sorted(after.keys() - fresh)
            return f"{', '.join(stale)} with the value before" if stale else None

        self._await(missing, "the application's pods", "Look at the application's log.")

    def _await(self, missing: Callable[[], str | None], subject: str, remedy: str) -> None:
        eventually(missing, subject=subject, deadline=self._left(), remedy=remedy, longest_pause=_POLL)

    def _left(self) -> float:
        return max(0.0, self._deadline - (time.monotonic() - self._clock))

    def _hop(self, kind: Kind, subject: str = "", detail: str = "", at: datetime | None = None) -> None:
        seen = at or now()
        seconds = (seen - self._began).total_seconds() if at else time.monotonic() - self._clock
        hop = Hop(kind, subject, seen, seconds, detail)
        self._hops.append(hop)
        self._observe(hop)
        self._tell("progress", hop.name)

    def _tell(self, state: str, detail: str) -> None:
        self._progress(Step(f"rotation of {self._desired_secret.name}", state, detail))


def _holder(labels: Mapping[str, list[str]], label: str) -> str | None:
    return next((version for version, held in labels.items() if label in held), None)


def _json(fields: Mapping[str, SecretStr]) -> str:
    return json.dumps({name: value.get_secret_value() for name, value in fields.items()})
