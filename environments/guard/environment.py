"""An environment that is only read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from kubernetes.client import ApiClient

from deployer.connections import ClusterIdentity, Connections, Endpoints
from deployer.progress import Progress, Step
from environments.guard import wire
from environments.guard.aws import guarded
from environments.guard.guard import Guard
from environments.guard.helm import ReadOnlyHelm
from environments.guard.identity import require_cluster, require_credentials
from environments.guard.kubernetes import read_only_client
from environments.protocol import Capability, Environment

# What changes something, or wants to get at what no reader's right opens.
_BEYOND_READING = frozenset({Capability.CHANGES_ALLOWED, Capability.ETCD_ACCESS, Capability.CLUSTER_AUDIT})


class Readable(Environment, Protocol):
    """A place with the identity that it is read as."""

    @property
    def account(self) -> str:
        """The AWS account that its credentials must belong to."""

    @property
    def approvals(self) -> Path | None:
        """File of the approvals that a deployment needs; None where nothing is at stake."""

    @property
    def deployers(self) -> frozenset[str]:
        """Names, as the audit trail has them, of those who deploy."""


class ReadOnlyEnvironment:
    """Hands out clients that refuse, before it is sent, whatever does more than read.

    Account, context and cluster are compared with the configuration before anything else is asked.

    Args:
        place: What is read, and as whom.
        guard: The judge of every call.
    """

    def __init__(self, place: Readable, guard: Guard) -> None:
        self.guard = guard
        self._place = place
        self._ends = contextlib.ExitStack()

    @property
    def name(self) -> str:
        """The place's own name."""
        return self._place.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the place can show to somebody who only reads."""
        return self._place.capabilities - _BEYOND_READING

    @property
    def approvals(self) -> Path | None:
        """File of the approvals that a deployment needs; None where nothing is at stake."""
        return self._place.approvals

    @property
    def deployers(self) -> frozenset[str]:
        """Names, as the audit trail has them, of those who deploy: not of whoever reads."""
        return self._place.deployers

    # ---- start and stop

    def start(self, progress: Progress) -> None:
        """Find out that this is the configured place; from then on it can be read.

        Raises:
            RefusedError: It is another account, context or cluster; nothing else has been asked.
            MitaError: It cannot be reached.
        """
        self._place.start(progress)
        self._ends.callback(self._place.stop)
        try:
            wire.arm(self.guard)
            self._ends.callback(wire.disarm, self.guard)
            self._identify()
        except BaseException:
            self._ends.close()
            raise
        progress(Step(f"identity of {self.name}", "done", f"account {self._place.account}, only read"))

    def _identify(self) -> None:
        cluster = self.cluster
        require_credentials(self.aws("sts"), self._place.account, self.kubeconfig, cluster)
        self.guard.identify()
        require_cluster(self.kubernetes(), cluster, self.kubeconfig)
        self.guard.application = self._place.endpoints.application

    def stop(self) -> None:
        """Leave the place as it is."""
        if "_helm" in self.__dict__:
            self._helm.tell()
        self._ends.close()

    def collect(self, into: Path) -> None:
        """Copy what the place shows of itself to somebody who only reads."""
        self._place.collect(into)

    # ---- what it gives

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of the running system's parts."""
        return self._place.endpoints

    @property
    def cluster(self) -> ClusterIdentity:
        """The cluster's identity."""
        return self._place.cluster

    @property
    def kubeconfig(self) -> Path:
        """The reader's kubeconfig."""
        return self._place.kubeconfig

    def aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients are made at run time; they have no common type
        """Make a client that refuses every operation that is not known to read only."""
        return guarded(self._place.aws(service), self.guard)

    def kubernetes(self) -> ApiClient:
        """Make a client that refuses every request that does more than read."""
        return read_only_client(self.kubeconfig, self.cluster.context, self.guard)

    @cached_property
    def _helm(self) -> ReadOnlyHelm:
        directory = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="mita-read-only-")))
        return ReadOnlyHelm(self._place.connections().helm, directory, self.guard)

    def connections(self) -> Connections:
        """Everything for reading; logins of administrators are not among it."""
        return replace(
            self._place.connections(),
            aws=self.aws,
            kubernetes=self.kubernetes(),
            helm=self._helm.path,
            database=None,
            cache=None,
        )

    def exports(self) -> Mapping[str, str]:
        """Variables for kubectl, helm, aws and curl; what these do is for the identity's own rights."""
        return self._place.exports()
