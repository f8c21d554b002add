"""Phase 0: what has to hold before anything is changed.

Each check is a function of its own that raises what is lacking, so that one can be asked
alone; `run` asks them all and keeps every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from deployer.approvals import require_approvals
from deployer.cluster import Cluster
from deployer.connections import ClusterIdentity, Connections
from deployer.desired import Desired
from deployer.errors import ConfigurationError, MissingToolError, MitaError, NotReadyError, RefusedError
from deployer.failures import explained
from deployer.health import unhealthy
from deployer.helm import Helm, merged

APPROVALS = "approvals"
"""The check that a plan, which changes nothing, does not need."""

CRDS = ("ExternalSecret", "SecretStore", "ClusterSecretStore")


@dataclass(frozen=True, slots=True)
class Place:
    """What the checks look at.

    Attributes:
        through: Number of the last phase that is to be deployed.
    """

    connections: Connections
    desired: Desired
    through: int


@dataclass(frozen=True, slots=True)
class Result:
    """A check's answer: `lack` is None when all is there."""

    check: str
    criterion: str
    lack: MitaError | None


def helm(place: Place) -> None:
    """P0.1: Helm is there in the wanted version; it is asked itself.

    Raises:
        MissingToolError: It is not, or is older.
    """
    connections = place.connections
    context = connections.cluster.context
    program = Helm(connections.helm, kubeconfig=connections.kubeconfig, context=context)
    wanted = tuple(int(part) for part in place.desired.helm_minimum.split("."))
    version = program.version()
    if version[: len(wanted)] < wanted:
        raise MissingToolError(
            f"Helm ({connections.helm})",
            expected=f"version {place.desired.helm_minimum} or newer",
            seen=".".join(map(str, version)),
            remedy="Install a newer one.",
        )


def aws_account(place: Place) -> None:
    """P0.2: the AWS credentials belong to the configured account, and the region is the desired one.

    Raises:
        RefusedError: They belong to another.
    """
    connections = place.connections
    require_account(connections.aws("sts"), connections.account)
    if connections.region != place.desired.region:
        raise RefusedError(
            "AWS region",
            expected=place.desired.region,
            seen=connections.region,
            remedy="Correct the region of the configuration or of production.toml.",
        )


def require_account(sts: Any, account: str) -> None:  # noqa: ANN401  boto3 client
    """Refuse credentials of another account than the configured one.

    Raises:
        RefusedError: They belong to another.
        ServiceError: AWS does not say to whom they belong.
    """
    with explained("AWS credentials"):
        seen = sts.get_caller_identity()["Account"]
    if seen != account:
        raise RefusedError(
            "AWS account of the credentials",
            expected=f"account {account}",
            seen=f"account {seen}",
            remedy="Use that account's credentials, or correct the configuration.",
        )


def kubernetes_context(place: Place) -> None:
    """P0.2: the kubeconfig's current context leads to the configured cluster.

    Raises:
        ConfigurationError: The kubeconfig cannot be used.
        RefusedError: It leads elsewhere.
    """
    connections = place.connections
    require_context(
        connections.kubeconfig, connections.cluster, server=connections.kubernetes.configuration.host
    )
    if connections.cluster.name != place.desired.cluster:
        raise _leads_elsewhere(
            "cluster of production.toml",
            place.desired.cluster,
            connections.cluster.name,
            connections.kubeconfig,
            connections.cluster.context,
        )


def require_context(kubeconfig: Path, cluster: ClusterIdentity, *, server: str | None = None) -> None:
    """Refuse a kubeconfig whose current context is not the configured one; nobody is asked.

    Args:
        kubeconfig: The file.
        cluster: The configured cluster.
        server: The API server that a client of it asks, if there is one already.

    Raises:
        ConfigurationError: The file cannot be used.
        RefusedError: It leads elsewhere.
    """
    try:
        config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        current = config["current-context"]
        contexts = {each["name"]: each["context"]["cluster"] for each in config["contexts"]}
        servers = {each["name"]: each["cluster"]["server"] for each in config["clusters"]}
        named = contexts[current]
        address = servers[named]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"kubeconfig {kubeconfig}",
            expected="a current context with its cluster",
            seen=f"{type(error).__name__}",
            remedy="Make it anew, for example by `aws eks update-kubeconfig`.",
        ) from None
    wrong = {
        "context": (cluster.context, current),
        "cluster of the context": (cluster.name, named.rpartition("/")[2]),  # EKS names clusters by their ARN
        "API server": ((server or address).rstrip("/"), address.rstrip("/")),
    }
    for what, (wanted, seen) in wrong.items():
        if wanted != seen:
            raise _leads_elsewhere(what, wanted, seen, kubeconfig, cluster.context)


def _leads_elsewhere(what: str, wanted: str, seen: str, kubeconfig: Path, context: str) -> RefusedError:
    return RefusedError(
        f"Kubernetes {what}",
        expected=wanted,
        seen=seen,
        remedy=f"Check {kubeconfig}: `kubectl config use-context {context}`.",
    )


def kubernetes_api(place: Place) -> None:
    """P0.3: the Kubernetes API answers.

    Raises:
        MitaError: It does not.
    """
    with explained(f"cluster {place.connections.cluster.name}, its Kubernetes API"):
        Cluster(place.connections.kubernetes).call("GET", "/version")


def custom_resources(place: Place) -> None:
    """P0.3: the external-secrets CRDs are served, unless the operator's release brings them.

    Raises:
        NotReadyError: One is neither served nor brought.
    """
    added = place.connections.operator_values
    operators = (each for each in place.desired.releases if each.chart == "operator")
    if any(merged(each.values, added).get("installCRDs") for each in operators):
        return
    cluster = Cluster(place.connections.kubernetes)
    with explained("external-secrets CRDs"):
        missing = [kind for kind in CRDS if cluster.resource("external-secrets.io/v1beta1", kind) is None]
    if missing:
        raise NotReadyError(
            "external-secrets CRDs",
            expected=f"{', '.join(CRDS)} served, or brought by the operator's release (installCRDs)",
            seen=f"no {', '.join(missing)}",
            remedy="Install them, or set installCRDs.",
        )


def monitoring(place: Place) -> None:
    """P0.3: Prometheus and Grafana answer, where this environment has them.

    Raises:
        NotReadyError: One does not.
    """
    endpoints = place.connections.endpoints
    paths = {endpoints.prometheus: "/-/ready", endpoints.grafana: "/api/health"}
    for base, path in paths.items():
        fault = unhealthy(base.rstrip("/") + path) if base else None
        if fault is not None:
            raise NotReadyError(
                "monitoring",
                expected="an answer with status 200",
                seen=fault,
                remedy="See to the monitoring stack.",
            )


def approvals(place: Place) -> None:
    """P0.4: whoever has to agree has, where something is at stake.

    Raises:
        RefusedError: An approval is missing or has lapsed.
        ConfigurationError: The file of approvals cannot be used.
    """
    if place.connections.approvals is not None:
        require_approvals(place.connections.approvals, datetime.now(UTC).date())


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the criterion that it shows."""

    criterion: str
    ask: Callable[[Place], None]


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "helm": Check("P0.1", helm),
        "aws-account": Check("P0.2", aws_account),
        "kubernetes-context": Check("P0.2", kubernetes_context),
        "kubernetes-api": Check("P0.3", kubernetes_api),
        "external-secrets-crds": Check("P0.3", custom_resources),
        "monitoring": Check("P0.3", monitoring),
        APPROVALS: Check("P0.4", approvals),
    }
)


def run(place: Place) -> tuple[Result, ...]:
    """Ask every check; one lack does not keep the others from being asked."""
    results = []
    for name, check in CHECKS.items():
        lack: MitaError | None = None
        try:
            check.ask(place)
        except MitaError as error:
            lack = error
        results.append(Result(name, check.criterion, lack))
    return tuple(results)


def require(results: Iterable[Result]) -> None:
    """Refuse to go on while something is lacking.

    Raises:
        MitaError: The one lack itself, or one error that names them all.
    """
    lacks = [result.lack for result in results if result.lack is not None]
    if len(lacks) == 1:
        raise lacks[0]
    if lacks:
        raise NotReadyError(
            "preflight",
            expected="; ".join(f"{lack.subject}: {lack.expected}" for lack in lacks),
            seen="; ".join(f"{lack.subject}: {lack.seen}" for lack in lacks),
            remedy=" ".join(dict.fromkeys(lack.remedy for lack in lacks)),
        )
