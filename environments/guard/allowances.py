"""What a guarded run may ask, read from `allowed.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).parent / "allowed.toml"

Operations = dict[str, frozenset[str]]
"""Names of operations by AWS service."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KubernetesAllowances(_Strict):
    """Methods, and patterns of whole paths.

    Attributes:
        methods: Such as ``GET``.
        paths: Without their query.
        dry_runs: Further methods that pass with ``dryRun=All``.
    """

    methods: frozenset[str]
    paths: tuple[re.Pattern[str], ...]
    dry_runs: frozenset[str] = frozenset()


class HttpAllowances(_Strict):
    """Methods that anybody may be asked with.

    Attributes:
        methods: Such as ``GET``.
        posts_to_application: Exact paths of the application that may be posted to.
        credentials_hosts: Patterns of hosts that AWS' own chain fetches credentials from.
    """

    methods: frozenset[str]
    posts_to_application: frozenset[str]
    credentials_hosts: tuple[re.Pattern[str], ...]


class PlanningAllowances(_Strict):
    """What making a plan asks in addition.

    Attributes:
        aws: Operations of AWS.
        kubernetes_dry_runs: Methods that pass with ``dryRun=All``.
    """

    aws: Operations
    kubernetes_dry_runs: frozenset[str]


class HelmAllowances(_Strict):
    """Helm's commands."""

    commands: tuple[str, ...]


class Allowances(_Strict):
    """Everything that is allowed; what is not named here is refused.

    Attributes:
        aws: Operations of AWS.
        before_identity: Those that may be asked before it is known where the calls go.
        kubernetes: Requests to the cluster's API.
        http: Any other request.
        helm: Helm's commands.
        planning: What making a plan asks in addition.
    """

    aws: Operations
    before_identity: Operations
    kubernetes: KubernetesAllowances
    http: HttpAllowances
    helm: HelmAllowances
    planning: PlanningAllowances

    def for_planning(self) -> Allowances:
        """Return what may be asked to make a plan."""
        aws = {
            service: self.aws.get(service, frozenset()) | self.planning.aws.get(service, frozenset())
            for service in {*self.aws, *self.planning.aws}
        }
        kubernetes = self.kubernetes.model_copy(update={"dry_runs": self.planning.kubernetes_dry_runs})
        return self.model_copy(update={"aws": aws, "kubernetes": kubernetes})


@cache
def allowances() -> Allowances:
    """Read them."""
    return Allowances.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
