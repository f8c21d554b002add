"""The guide's rollback procedures, each verified.

An interrupted one is taken up again by the same command: what it was about to do is noted
before it begins.  All but the way to the previous revision are harmless to repeat afterwards;
that one goes back from where it is, as ``kubectl rollout undo`` does.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployer.cluster import UNREACHABLE, Cluster, Object
from deployer.connections import Connections
from deployer.deployment import Deployment
from deployer.desired import Desired, DesiredRelease
from deployer.errors import NotReadyError
from deployer.eventually import eventually
from deployer.exclusive import alone
from deployer.files import replace_atomically
from deployer.health import unhealthy
from deployer.helm import Helm, merged
from deployer.kinds.manifests import NUDGED_AT
from deployer.kinds.releases import not_rolled_out, wanted_release
from deployer.kinds.values import OnSecret
from deployer.progress import Progress, Step, silent
from deployer.rendering import condition

_API = "external-secrets.io/v1beta1"
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_MANAGER = "mita-rollback"
_NOTE = "rollback.json"
_SECONDS = 300.0  # the guide's
LEGACY_KEYS = frozenset(
    {
        *("DATABASE_URL", "REDIS_URL", "JWT_SECRET", "JWT_PREVIOUS_SECRET", "SECRET_KEY"),
        *("OPENAI_API_KEY", "SENTRY_DSN", "SMTP_USERNAME", "SMTP_PASSWORD"),
    }
)
"""What the chart reads from the legacy secret."""


class Target(enum.StrEnum):
    """Where a rollback leads."""

    PREVIOUS_REVISION = "previous-revision"
    OPERATOR_STOPPED = "operator-stopped"
    LEGACY_SECRETS = "legacy-secrets"
    SECRETS_MANAGER = "secrets-manager"


class Rollback:
    """Rolls back, and returns.

    Args:
        connections: The place.
        desired: The desired state.
        state: Directory of receipts and locks.
        progress: Told of every step.
        on_secret: Told of every value that comes by.
    """

    def __init__(
        self,
        connections: Connections,
        desired: Desired,
        *,
        state: Path,
        progress: Progress = silent,
        on_secret: OnSecret,
    ) -> None:
        self._connections = connections
        self._desired = desired
        self._state = state
        self._progress = progress
        self._on_secret = on_secret
        self._cluster = Cluster(connections.kubernetes)
        releases = {("operator" if each.chart == "operator" else "mita"): each for each in desired.releases}
        self._operator, self._application = releases["operator"], releases["mita"]

    def to(self, target: Target, *, revision: int | None = None) -> None:
        """Roll back, or return, and verify that it is so and that the application serves.

        Args:
            target: Where to.
            revision: Which revision, for the previous one; the newest before this one if left out.

        Raises:
            RefusedError: A deployment or another rollback is under way.
            NotReadyError: There is nothing to roll back to, or it was not done in time.
        """
        if target is Target.SECRETS_MANAGER:
            self._secrets_manager()  # a deployment, which holds the lock itself
        else:
            with alone(self._state, "rollback", "no deployment, rotation or rollback at the same time"):
                if target is Target.PREVIOUS_REVISION:
                    self._previous_revision(revision)
                elif target is Target.OPERATOR_STOPPED:
                    self._operator_stopped()
                else:
                    self._legacy_secrets()
        self._await_health()
        (self._state / _NOTE).unlink(missing_ok=True)

    # ---- each of them

    def _previous_revision(self, revision: int | None) -> None:
        live, name = self._live(self._application), self._application.name
        sets = {
            int(each["metadata"]["annotations"][_REVISION]): each
            for each in self._cluster.list("apps/v1", "ReplicaSet", self._application.namespace)
            if any(owner["uid"] == live["metadata"]["uid"] for owner in each["metadata"]["ownerReferences"])
        }
        current = int(live["metadata"]["annotations"][_REVISION])
        # By its name, which stays: a revision that is returned to gets another number.
        noted = self._noted(Target.PREVIOUS_REVISION)
        wanted = revision or next(
            (number for number, each in sets.items() if each["metadata"]["name"] == noted), None
        )
        if wanted is None:
            wanted = max((number for number in sets if number < current), default=None)
        if wanted is None or (wanted not in sets and wanted != current):
            raise NotReadyError(
                f"deployment {name}",
                expected="a revision before this one" if wanted is None else f"revision {wanted}",
                seen=f"only {', '.join(map(str, sorted(sets)))}",
                remedy="Deploy what is wanted instead: mita deploy",
            )
        if wanted in sets:
            self._note(Target.PREVIOUS_REVISION, sets[wanted]["metadata"]["name"])
            template = sets[wanted]["spec"]["template"]
            labels = {key: value for key, value in template["metadata"]["labels"].items() if key != _HASH}
            template = {**template, "metadata": {**template["metadata"], "labels": labels}}
            self._tell("started", f"revision {current} to the template of revision {wanted}")
            # The whole template takes the other's place: merged, what the newer one added would stay.
            patch = [{"op": "replace", "path": "/spec/template", "value": template}]
            self._patch(self._application, patch, "json-patch+json")
        self._await_rollout(self._application)

    def _operator_stopped(self) -> None:
        self._tell("started", "stopping the operator")
        before = self._copies()
        self._patch(self._operator, {"spec": {"replicas": 0}}, "merge-patch+json")
        self._await_rollout(self._operator)
        lost = sorted(before - self._copies())
        if lost:
            raise NotReadyError(
                "the cluster's secrets",
                expected="every one of them to stay without the operator",
                seen=f"{', '.join(lost)} gone",
                remedy="Return: mita rollback --to secrets-manager",
            )

    def _legacy_secrets(self) -> None:
        self._require_legacy()
        place = self._connections
        wanted = wanted_release(
            self._application,
            root=Path(__file__).parent,
            operator=place.operator_chart,
            added=place.application_values,
        )
        values = merged(wanted.values, {"externalSecrets": {"enabled": False}})
        self._tell("started", "switching the application to the legacy secret")
        Helm(place.helm, kubeconfig=place.kubeconfig, context=place.cluster.context).upgrade(
            self._application.name,
            self._application.namespace,
            wanted.chart,
            values,
            description="mita rollback to the legacy secret",
            timeout=self._application.timeout_seconds,
        )
        self._await_rollout(self._application)

    def _require_legacy(self) -> None:
        metadata = {"name": self._legacy_name, "namespace": self._application.namespace}
        live = self._cluster.get({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        missing = sorted(LEGACY_KEYS - (live or {}).get("data", {}).keys())
        if missing:
            raise NotReadyError(
                f"secret {metadata['namespace']}/{metadata['name']}",
                expected="the legacy secret from before",
                seen="none" if live is None else f"one without {', '.join(missing)}",
                remedy="Restore it from where it was kept, or return: mita rollback --to secrets-manager",
            )

    @property
    def _legacy_name(self) -> str:
        given: Mapping[str, Any] = self._application.values.get("legacySecrets", {})
        return str(given.get("name", f"{self._application.name}-legacy-secrets"))

    def _secrets_manager(self) -> None:
        deployment = Deployment(
            self._connections,
            self._desired,
            receipts=self._state,
            progress=self._progress,
            on_secret=self._on_secret,
        )
        through = self._desired.phase(self._application.phase).name
        plan = deployment.plan(through)
        plan.require_allowed()
        if plan.pending:
            deployment.apply(plan)
        began = datetime.now(UTC).replace(microsecond=0)
        self._wait(lambda: self._unsynchronised(began), "the cluster's secrets")
        deployment.verify(through)

    # ---- what is there

    def _unsynchronised(self, since: datetime) -> str | None:
        late = []
        for each in self._cluster.list(_API, "ExternalSecret", self._desired.namespace):
            named = {"apiVersion": _API, "kind": "ExternalSecret", "metadata": each["metadata"]}
            ready, at = condition(each, "Ready"), each.get("status", {}).get("refreshTime")
            fresh = at is not None and datetime.fromisoformat(at) >= since
            if not fresh or ready is None or ready["status"] != "True":
                self._cluster.nudge(named, {NUDGED_AT: datetime.now(UTC).isoformat()})
                late.append(each["metadata"]["name"])
        return f"{', '.join(late)} not synchronised yet" if late else None

    def _copies(self) -> set[str]:
        names = {
            each["spec"]["target"]["name"]
            for each in self._cluster.list(_API, "ExternalSecret", self._desired.namespace)
        }
        return names & {
            each["metadata"]["name"] for each in self._cluster.list("v1", "Secret", self._desired.namespace)
        }

    def _live(self, release: DesiredRelease) -> Object:
        found: Object = self._cluster.call("GET", _path(release))
        return found

    def _patch(self, release: DesiredRelease, body: object, content: str) -> None:
        self._cluster.call("PATCH", _path(release), body=body, content=content, fieldManager=_MANAGER)

    def _await_rollout(self, release: DesiredRelease) -> None:
        self._wait(lambda: not_rolled_out(self._live(release)), f"deployment {release.name}")

    def _await_health(self) -> None:
        base = self._connections.endpoints.application
        if base is not None:
            url = base.rstrip("/") + (self._application.health or "")
            self._wait(lambda: unhealthy(url), "the application")
        self._tell("done", "")

    def _wait(self, missing: Callable[[], str | None], subject: str) -> None:
        eventually(
            missing,
            subject=subject,
            deadline=_SECONDS,
            remedy="Look at its pods and events, then run the same command again: it goes on from here.",
            retry=UNREACHABLE,
        )

    # ---- notes

    def _note(self, target: Target, replica_set: str) -> None:
        replace_atomically(self._state / _NOTE, json.dumps({"target": target, "replica_set": replica_set}))

    def _noted(self, target: Target) -> str | None:
        try:
            note = json.loads((self._state / _NOTE).read_text(encoding="utf-8"))
            return str(note["replica_set"]) if note["target"] == target else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _tell(self, state: str, detail: str) -> None:
        self._progress(Step("rollback", state, detail))


def _path(release: DesiredRelease) -> str:
    return f"/apis/apps/v1/namespaces/{release.namespace}/deployments/{release.name}"
