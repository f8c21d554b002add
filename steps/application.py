"""Phase 4: the application's release, its pods and its health."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import urllib3
from pytest_bdd import then, when

from deployer.cluster import Object
from deployer.kinds.releases import not_rolled_out
from deployer.rendering import condition
from steps.focus import Focus
from steps.parameters import phrase
from steps.synchronisation import SOURCES
from steps.system import System

NAME = "mita-production"
TIMEOUT = 10.0  # seconds for one answer
_RANGE = "{least} to {most}"


# ---- the release


@when("the application's release is examined", target_fixture="release_name")
def _release_examined(focus: Focus) -> str:
    focus.on("apps/v1", "Deployment", NAME, NAME)
    return NAME


def deployment_of(system: System) -> Object:
    """Read the application's Deployment."""
    manifest = Focus().on("apps/v1", "Deployment", NAME, system.desired.namespace)
    live = system.cluster.get(manifest)
    assert live is not None, f"there is no deployment {NAME}"
    return live


@then(phrase("its pods may use {cpu} of processor and {memory} of memory"))
def _may_use(system: System, cpu: str, memory: str) -> None:
    (container,) = deployment_of(system)["spec"]["template"]["spec"]["containers"]
    resources = container["resources"]
    for name, wanted in {"cpu": cpu, "memory": memory}.items():
        least, most = wanted.split(" to ")
        seen = (resources["requests"][name], resources["limits"][name])
        assert tuple(map(_quantity, seen)) == (_quantity(least), _quantity(most)), (
            f"{name}: {' to '.join(seen)}"
        )


def _quantity(text: str) -> Decimal:
    """Read a Kubernetes quantity: the API server may write ``2`` where ``2000m`` was given."""
    units = {"m": Decimal("0.001"), "Mi": Decimal(2**20), "Gi": Decimal(2**30)}
    for suffix, factor in units.items():
        if text.endswith(suffix):
            return Decimal(text.removesuffix(suffix)) * factor
    return Decimal(text)


@then("it takes its secrets from the operator")
def _takes_operators_secrets(system: System) -> None:
    volumes = deployment_of(system)["spec"]["template"]["spec"]["volumes"]
    mounted = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
    assert mounted == set(SOURCES), f"it mounts {sorted(mounted)}"
    for name in sorted(mounted):
        live = system.cluster.get(Focus().on("v1", "Secret", name, system.desired.namespace))
        assert live is not None, f"there is no secret {name}"
        owners = [owner["kind"] for owner in live["metadata"].get("ownerReferences", [])]
        assert owners == ["ExternalSecret"], f"{name} belongs to {owners or 'nobody'}"


@then(phrase("its rollout of {replicas:d} replicas is complete"))
def _rollout_complete(system: System, replicas: int) -> None:
    live = deployment_of(system)
    assert live["spec"]["replicas"] == replicas
    assert not_rolled_out(live) is None, not_rolled_out(live)


# ---- its pods


@when("the application's pods are examined", target_fixture="pods")
def _pods_examined(system: System, focus: Focus) -> list[Object]:
    focus.on("apps/v1", "Deployment", NAME, NAME)
    return pods_of(system)


def pods_of(system: System) -> list[Object]:
    """List the application's pods that are not on their way out."""
    pods = system.cluster.list("v1", "Pod", system.desired.namespace, labelSelector=f"app={NAME}")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod: Object) -> bool:
    """Tell whether a pod takes requests."""
    ready = condition(pod, "Ready")
    return ready is not None and ready["status"] == "True"


@then(phrase("{count:d} of them are ready"))
def _are_ready(pods: list[Object], count: int) -> None:
    ready = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
    assert len(ready) == count, f"ready are {', '.join(ready) or 'none'} of {len(pods)}"


# ---- its answers


def ask(system: System, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  passed on
    """Send the application a request as its users do, without a second try."""
    base = system.connections.endpoints.application
    assert base is not None, "the environment does not say where the application answers"
    return urllib3.request(method, base.rstrip("/") + path, timeout=TIMEOUT, retries=False, **options)


@when("the application is asked for its health", target_fixture="answer")
def _asked_for_health(system: System, focus: Focus) -> urllib3.BaseHTTPResponse:
    focus.on("apps/v1", "Deployment", NAME, NAME)
    return ask(system, "GET", "/health")


@then(phrase("it answers with status {status:d}"))
def _answers_with(answer: urllib3.BaseHTTPResponse, status: int) -> None:
    assert answer.status == status, f"it answers {answer.status}: {answer.data[:200]!r}"
