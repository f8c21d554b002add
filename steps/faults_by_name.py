"""The faults that scenarios inject, by the names that they have for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deployer.rotation.record import STEPS
from environments.disruption import Disruptable, Server, Trouble
from faults.calls import CallsTroubled, FunctionKilled
from faults.cluster import PodsKilled, ScaledAway
from faults.contract import Fault
from faults.keys import KeyDisabled
from faults.servers import ConnectionsCut, Frozen, Restarted
from steps.application import NAME
from steps.rights import desired_role
from steps.rotating import consumers
from steps.system import System

type Maker = Callable[[System, str], Fault]
"""Makes a fault for the rotation of a secret."""

_OPERATORS_NAMESPACE = "external-secrets-system"
_OPERATOR, _ROTATION = "the operator's role", "the rotation's role"
_LOOKS = 2  # by which each step of a function begins


def _place(system: System) -> Disruptable:
    assert isinstance(system.environment, Disruptable), "the environment cannot be disrupted"
    return system.environment


def _sessions(system: System, which: str) -> str:
    return f"*/{desired_role(system, which).name}/*"


def _troubled(what: str, which: str, *kinds: Trouble) -> Maker:
    def make(system: System, _secret: str) -> Fault:
        principal = _sessions(system, which)
        troubles = [
            Trouble(each.service, each.operation, principal, each.error, each.status, each.seconds)
            for each in kinds
        ]
        return CallsTroubled(_place(system), what, *troubles)

    return make


def _operator_away(system: System, secret: str) -> Fault:
    missed = consumers(system, secret).neglected
    return ScaledAway(
        system.cluster, "the operator is away", _OPERATORS_NAMESPACE, "external-secrets", missed
    )


def _webhook_away(system: System, secret: str) -> Fault:
    def missed() -> str | None:
        # Whoever changes an external secret is asked by the API server to wait for it, and turned away.
        return None if consumers(system, secret).nudge() else "external secrets can be changed"

    return ScaledAway(
        system.cluster,
        "the operator's webhook is away",
        _OPERATORS_NAMESPACE,
        "external-secrets-webhook",
        missed,
    )


def _killed(what: str, name: str, namespace: str, labels: str, spared: int) -> Maker:
    return lambda system, _secret: PodsKilled(system.cluster, what, namespace, name, labels, spared=spared)


def _function_dies(what: str, operation: str, *, after: int = 0, served: bool = False) -> Maker:
    def make(system: System, secret: str) -> Fault:
        function = system.desired.rotation.by(secret)
        assert function is not None, f"nothing rotates {secret}"
        sessions = _sessions(system, _ROTATION)
        call = Trouble("secretsmanager", operation, sessions, seconds=1.0, served=served, after=after)
        return FunctionKilled(_place(system), what, function.name, call)

    return make


def _function_deaths() -> Iterator[tuple[str, Maker]]:
    # Before a step has done anything, and so after the one before it.
    for number, step in enumerate(STEPS):
        what = f"the rotation function dies in {step}"
        yield what, _function_dies(what, "DescribeSecret", after=_LOOKS * number)
    what = "the rotation function dies after finishSecret"
    yield what, _function_dies(what, "UpdateSecretVersionStage", served=True)


def _cut(system: System, _secret: str) -> Fault:
    administrator = system.connections.database
    assert administrator is not None, "the environment gives no administrator of the database"
    return ConnectionsCut(administrator, tuple(system.desired.database.logins))


def _key(system: System, _secret: str) -> Fault:
    return KeyDisabled(system.connections, system.desired.key.alias, system.desired.namespace)


def _restarted(server: Server) -> Maker:
    return lambda system, _secret: Restarted(_place(system), server)


_READ = "GetSecretValue"
_LABELS = "app.kubernetes.io/name=external-secrets"
_APPLICATION = f"app={NAME}"
FAULTS: dict[str, Maker] = {
    "the operator is away": _operator_away,
    "the operator's webhook is away": _webhook_away,
    "the operator is killed": _killed(
        "the operator is killed", "external-secrets", _OPERATORS_NAMESPACE, _LABELS, 0
    ),
    "Secrets Manager throttles the operator": _troubled(
        "Secrets Manager throttles the operator",
        _OPERATOR,
        Trouble("secretsmanager", _READ, error="ThrottlingException"),
    ),
    "Secrets Manager fails for the operator": _troubled(
        "Secrets Manager fails for the operator",
        _OPERATOR,
        Trouble("secretsmanager", _READ, error="InternalServiceError", status=500),
    ),
    "Secrets Manager is slow for the operator": _troubled(
        "Secrets Manager is slow for the operator", _OPERATOR, Trouble("secretsmanager", _READ, seconds=2.0)
    ),
    "Secrets Manager fails for the rotation function": _troubled(
        "Secrets Manager fails for the rotation function",
        _ROTATION,
        Trouble("secretsmanager", _READ, error="InternalServiceError", status=500),
    ),
    "KMS denies the operator": _troubled(
        "KMS denies the operator", _OPERATOR, Trouble("kms", "Decrypt", error="AccessDeniedException")
    ),
    "KMS denies the rotation function": _troubled(
        "KMS denies the rotation function",
        _ROTATION,
        Trouble("kms", "Decrypt", error="AccessDeniedException"),
    ),
    "the key is disabled": _key,
    "the database restarts": _restarted(Server.DATABASE),
    "Redis restarts": _restarted(Server.CACHE),
    "the Kubernetes API server restarts": _restarted(Server.CLUSTER),
    "the database does not answer for 2 seconds": lambda system, _: Frozen(
        _place(system), Server.DATABASE, 2.0
    ),
    "the application's connections to the database are cut": _cut,
    "a pod of the application is killed": _killed("a pod is killed", NAME, NAME, _APPLICATION, -1),
    "all pods of the application but one are killed": _killed(
        "all pods but one are killed", NAME, NAME, _APPLICATION, 1
    ),
    **dict(_function_deaths()),
}
