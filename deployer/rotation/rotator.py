"""Forces a rotation, follows it, and sees that the new value is used."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from botocore.exceptions import ClientError

from deployer.cluster import Cluster
from deployer.connections import Connections
from deployer.desired import Desired
from deployer.errors import ConfigurationError, NotReadyError, RefusedError
from deployer.exclusive import alone
from deployer.kinds.values import OnSecret
from deployer.progress import Progress, silent
from deployer.rotation.consumers import Consumers, Use, renewed
from deployer.rotation.following import Follower
from deployer.rotation.logins import provable, require_accepted
from deployer.rotation.record import Kind, Rotated, now
from deployer.rotation.stored import CURRENT, PENDING, Stored
from deployer.rotation.trail import Observe, Trail, unobserved
from deployer.shapes import Fields
from deployer.supplied import Supplied, require_form

_HURRY_SECONDS = 1.0
_APART = "no deployment and no other rotation at the same time"


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
        interval: The least time between two rotations.
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
        observe: Observe = unobserved,
        interval: timedelta = timedelta(),
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
        self._connections = connections
        self._desired = desired
        self._locks = locks
        self._on_secret = on_secret
        self._interval = interval
        self._client = connections.aws("secretsmanager")
        full_name = desired.secret_store.prefix + secret
        self._stored = Stored(self._client, full_name, self._desired_secret, on_secret)
        self._trail = Trail(secret, progress, observe, deadline)

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
            RefusedError: One is under way, was just made, or was left half done and is not to be resumed.
            NotReadyError: It failed, or was not complete within the deadline.
        """
        with alone(self._locks, self._trail.subject, _APART):
            before, pending = self._startable(resume=resume)
            old = self._stored.fields(CURRENT)
            consumers = Consumers(Cluster(self._connections.kubernetes), self._desired, self._stored.name)
            used = consumers.pods()
            self._trail.begin()
            version = pending or self._supply(supplied or {}) or str(uuid.uuid4())
            self._trail.tell("started", "asked for")
            self._ask(version)
            follower = self._follower(version)
            follower.follow()
            fields = self._stored.fields(CURRENT)
            self._prove(old, fields)
            if nudge and (why := consumers.nudge()) is not None:
                self._trail.tell("progress", f"the operator is left to its own interval: {why}")
            self._await_copies(consumers, fields)
            self._await_pods(consumers, used, hurry=nudge)
            follower.await_log()
            return Rotated(self._desired_secret.name, version, before, self._trail.began, self._trail.hops)

    def abandon(self) -> str | None:
        """Give up a version that was left pending; the current one goes on as it is.

        Returns:
            Id of the version; None where nothing was pending.
        """
        with alone(self._locks, self._trail.subject, _APART):
            _, pending = self._stored.versions()
            if pending is not None:
                self._stored.give_up(pending)
            return pending

    # ---- before

    def _startable(self, *, resume: bool) -> tuple[str, str | None]:
        """Return the current version and the one to resume, if the rotation may start."""
        subject, described = self._trail.subject, self._stored.described()
        if not described.get("RotationEnabled"):
            raise NotReadyError(
                subject,
                expected="rotation to be configured",
                seen="it is not",
                remedy="Deploy it: mita deploy --through rotation",
            )
        current, pending = self._stored.versions()
        if current is None:
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
        if pending is None and "LastRotatedDate" in described:
            self._require_interval(now() - described["LastRotatedDate"])
        return current, pending

    def _require_interval(self, passed: timedelta) -> None:
        if passed < self._interval:
            raise RefusedError(
                self._trail.subject,
                expected=f"{_minutes(self._interval)} since the rotation before",
                seen=_minutes(passed),
                remedy=f"Ask again in {_minutes(self._interval - passed)}.",
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
        self._stored.put_pending(version, mine)
        self._trail.hop(Kind.STORED)
        return version

    # ---- during

    def _ask(self, version: str) -> None:
        try:
            self._client.rotate_secret(SecretId=self._stored.name, ClientRequestToken=version)
        except ClientError as error:
            if "will be reattempted" not in error.response["Error"]["Message"]:
                raise

    def _follower(self, version: str) -> Follower:
        return Follower(
            self._connections.aws("logs"),
            self._function.log_group,
            self._stored,
            self._desired_secret.name,
            version,
            ask=lambda: self._ask(version),
            trail=self._trail,
        )

    # ---- after

    def _prove(self, old: Fields, new: Fields) -> None:
        module, name = self._function.module, self._desired_secret.name
        if provable(module, self._connections):
            require_accepted(module, self._connections, new, f"the new value of {name}")
            self._trail.hop(Kind.LOGIN, "with the new value")
            require_accepted(module, self._connections, old, f"the old value of {name}")
            self._trail.hop(Kind.LOGIN, "with the value before")

    def _await_copies(self, consumers: Consumers, fields: Fields) -> None:
        waiting = {copy.name: copy for copy in consumers.copies}

        def missing() -> str | None:
            for name, copy in list(waiting.items()):
                if (version := consumers.resource_version(copy, fields)) is not None:
                    del waiting[name]
                    self._trail.hop(Kind.COPY, name, version)
            return f"{', '.join(waiting)} with the value before" if waiting else None

        self._trail.wait(
            missing, "the cluster's copies", "Look at the ExternalSecret and the operator's log."
        )

    def _await_pods(self, consumers: Consumers, used: Mapping[str, Use], *, hurry: bool) -> None:
        seen: set[str] = set()
        hurried = -_HURRY_SECONDS

        def missing() -> str | None:
            nonlocal hurried
            if hurry and time.monotonic() - hurried >= _HURRY_SECONDS:
                # Again, because a node may look before it knows of the new value.
                consumers.hurry(used.keys() - seen)
                hurried = time.monotonic()
            after = consumers.pods()
            fresh = renewed(used, after)
            for name in sorted(fresh - seen):
                self._trail.hop(Kind.POD, name)
            seen.update(fresh)
            stale = sorted(after.keys() - fresh)
            return f"{', '.join(stale)} with the value before" if stale else None

        self._trail.wait(missing, "the application's pods", "Look at the application's log.")


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() / 60:.3g} minutes"
