"""The contract between the features and the place that they run in."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from kubernetes.client import ApiClient

from deployer.connections import ClusterIdentity, Connections, Endpoints
from deployer.progress import Progress

KUBELET_SECONDS = 90.0
"""How long a kubelet takes at most to renew mounted secrets by itself (finding 6)."""


class Capability(enum.StrEnum):
    """Something that not every environment can show.

    A scenario asks for one with the tag ``@needs-<capability>``; where the environment
    lacks it the scenario is reported as *not exercised here*, never as passed.
    """

    MONITORING = "monitoring"
    GRAFANA = "grafana"
    NOTIFICATIONS = "notifications"
    ROTATION = "rotation"
    IAM_ENFORCEMENT = "iam-enforcement"
    AUDIT_TRAIL = "audit-trail"
    CLUSTER_AUDIT = "cluster-audit"
    ENCRYPTING_KMS = "encrypting-kms"
    ETCD_ACCESS = "etcd-access"
    CHANGES_ALLOWED = "changes-allowed"
    DISRUPTIONS = "disruptions"


@runtime_checkable
class Environment(Protocol):
    """A place where the system is deployed and the features run.

    A variant is a class of its own, never a flag inside another.
    """

    @property
    def name(self) -> str:
        """The name that ``--environment`` takes."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this environment can show."""

    def start(self, progress: Progress) -> None:
        """Bring the environment up, or attach to it where it already runs.

        Raises:
            MitaError: It cannot be brought up; nothing is left running by the attempt.
        """

    def stop(self) -> None:
        """Undo what `start` of this object did: stop what it started, detach from what it found."""

    def collect(self, into: Path) -> None:
        """Copy logs and object states, free of secret values, into a directory for a failure's report."""

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the running system's parts."""

    @property
    def cluster(self) -> ClusterIdentity:
        """The Kubernetes cluster's identity."""

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file whose current context is the cluster."""

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients are made at run time; they have no common type
        """Make a boto3 client for a service, as the administrator or the user's own identity."""

    def kubernetes(self) -> ApiClient:
        """Make a client of the cluster's API."""

    def connections(self) -> Connections:
        """Everything the deployer is handed for this environment."""

    def exports(self) -> Mapping[str, str]:
        """Variables with which a user's own kubectl, helm, aws and curl work against this environment."""


@runtime_checkable
class StoreReader(Protocol):
    """What an environment with the capability `etcd-access` offers besides."""

    def stored_state(self) -> bytes:
        """Return the keys and values of everything in the cluster's store, as its bytes are kept.

        Raises:
            MitaError: The store does not answer.
        """


@runtime_checkable
class ClusterAuditReader(Protocol):
    """What an environment with the capability `cluster-audit` offers besides."""

    def cluster_audit(self) -> Iterable[Mapping[str, Any]]:
        """Yield the records of the API server's audit log, oldest first."""


@runtime_checkable
class MemoryReader(Protocol):
    """What an environment offers besides that runs on this machine."""

    def memory_bytes(self) -> int:
        """Return what all of its servers and pods hold of this machine's memory.

        Raises:
            MitaError: It does not run.
        """


@runtime_checkable
class RenewingNodes(Protocol):
    """What an environment offers besides whose nodes renew mounted secrets in their own time."""

    renewal_seconds: float
    """The longest that a node takes, once a secret has changed in the cluster and nobody hurries it."""


@runtime_checkable
class NotificationReader(Protocol):
    """What an environment with the capability `notifications` offers besides."""

    def notifications(self) -> Sequence[Mapping[str, Any]]:
        """Return what Slack and PagerDuty were sent, in its order.

        Each has the `receiver` (``slack`` or ``pagerduty``), the time `received` in seconds since
        the epoch, and the `message`.

        Raises:
            MitaError: They cannot be asked.
        """
