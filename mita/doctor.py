"""What a smoke run needs, asked one by one; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployer import preflight
from deployer.approvals import require_approvals
from deployer.cluster import Cluster
from deployer.desired import Desired, read
from deployer.errors import MitaError, NotReadyError
from deployer.failures import explained
from deployer.health import unhealthy
from deployer.progress import silent
from environments.guard import ReadOnlyEnvironment
from environments.managed import Managed
from environments.protocol import Environment
from environments.registry import create, read_only
from mita.options import not_running

_OLDEST = (1, 27)  # the Kubernetes that External Secrets Operator 0.9.9 was made for
_KINDS = (
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("external-secrets.io/v1beta1", "ExternalSecret"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one question.

    Attributes:
        what: What was asked.
        detail: What was found, in a few words.
        lack: What is lacking; None when nothing is.
        counts: Whether a smoke run fails without it.
    """

    what: str
    detail: str = ""
    lack: MitaError | None = None
    counts: bool = False


def examine(name: str, config: Path | None) -> Iterator[Finding]:
    """Ask everything; what cannot be asked before something else holds is left out.

    Args:
        name: The environment.
        config: What a real one is described by.
    """
    with ExitStack() as ends:
        made: list[ReadOnlyEnvironment] = []
        yield _asked("configuration", lambda: made.append(_reader(name, config)), str(config or ""))
        if not made:
            return
        reader, desired = made[0], read()
        yield from _approvals(reader)
        identity = _asked("account, context and cluster", lambda: _started(reader))
        yield identity
        if identity.lack is not None:  # who knows who would be asked
            return
        ends.callback(reader.stop)
        yield from _place(reader, desired)


def _reader(name: str, config: Path | None) -> ReadOnlyEnvironment:
    place: Environment = create(name, config)
    if isinstance(place, Managed) and not place.attach():
        raise not_running(place)
    return read_only(place)


def _started(reader: ReadOnlyEnvironment) -> str:
    reader.start(silent)
    return reader.cluster.name


def _asked(what: str, question: Callable[[], object], detail: str = "", *, counts: bool = True) -> Finding:
    try:
        with explained(what):
            answer = question()
    except MitaError as lack:
        return Finding(what, lack=lack, counts=counts)
    return Finding(what, detail or (answer if isinstance(answer, str) else ""))


def _approvals(reader: ReadOnlyEnvironment) -> Iterator[Finding]:
    if reader.approvals is not None:
        file, today = reader.approvals, datetime.now(UTC).date()
        yield _asked("approvals, to deploy", lambda: require_approvals(file, today), str(file), counts=False)


def _place(reader: ReadOnlyEnvironment, desired: Desired) -> Iterator[Finding]:
    made: list[preflight.Place] = []
    phase = desired.phase(None).number
    yield _asked("Helm", lambda: made.append(preflight.Place(reader.connections(), desired, phase)))
    if not made:
        return
    (place,) = made
    yield _asked("Helm's version", lambda: preflight.helm(place), f"{desired.helm_minimum} or newer")
    cluster = Cluster(place.connections.kubernetes)
    yield _asked("Kubernetes' version", lambda: _version(cluster))
    yield _asked("external-secrets CRDs", lambda: _crds(cluster))
    yield from _permissions_in_aws(reader, desired)
    yield from _permissions_in_the_cluster(cluster, desired)
    yield from _endpoints(reader)


def _version(cluster: Cluster) -> str:
    told = cluster.call("GET", "/version")
    seen = (int(told["major"]), int(told["minor"].rstrip("+")))
    if seen < _OLDEST:
        raise NotReadyError(
            "Kubernetes",
            expected=f"version {'.'.join(map(str, _OLDEST))} or newer",
            seen=str(told["gitVersion"]),
            remedy="Upgrade the cluster.",
        )
    return str(told["gitVersion"])


def _crds(cluster: Cluster) -> None:
    missing = [
        kind for kind in preflight.CRDS if cluster.resource("external-secrets.io/v1beta1", kind) is None
    ]
    if missing:
        raise NotReadyError(
            "external-secrets CRDs",
            expected=", ".join(preflight.CRDS),
            seen=f"no {', '.join(missing)}",
            remedy="Deploy External Secrets Operator: mita deploy --through 2",
        )


def _permissions_in_aws(reader: ReadOnlyEnvironment, desired: Desired) -> Iterator[Finding]:
    """Make each call of a smoke run once; of a value that is read nothing is kept."""
    secrets, kms, iam = (reader.aws(service) for service in ("secretsmanager", "kms", "iam"))
    name, alias = desired.full_name(desired.secrets[0]), desired.key.alias
    calls: dict[str, Callable[[], object]] = {
        "secretsmanager:ListSecrets": lambda: secrets.list_secrets(MaxResults=1),
        "secretsmanager:DescribeSecret": lambda: secrets.describe_secret(SecretId=name),
        "secretsmanager:GetSecretValue": lambda: secrets.get_secret_value(SecretId=name),
        "kms:DescribeKey": lambda: kms.describe_key(KeyId=alias),
        "kms:GetKeyRotationStatus": lambda: kms.get_key_rotation_status(
            KeyId=kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"]
        ),
        "iam:GetRole": lambda: iam.get_role(RoleName=desired.roles[0].name),
        "iam:ListOpenIDConnectProviders": iam.list_open_id_connect_providers,
        "eks:DescribeCluster": lambda: reader.aws("eks").describe_cluster(name=desired.cluster),
        "cloudtrail:LookupEvents": lambda: reader.aws("cloudtrail").lookup_events(MaxResults=1),
    }
    for what, call in calls.items():
        yield _asked(what, lambda call=call: str(bool(call())) and "")  # type: ignore[misc]  # a default binds it


def _permissions_in_the_cluster(cluster: Cluster, desired: Desired) -> Iterator[Finding]:
    namespaces = sorted({desired.namespace, *(release.namespace for release in desired.releases)})
    for namespace in namespaces:

        def read_all(namespace: str = namespace) -> None:
            for version, kind in _KINDS:
                cluster.list(version, kind, namespace)

        yield _asked(f"reading namespace {namespace}", read_all)


def _endpoints(reader: ReadOnlyEnvironment) -> Iterator[Finding]:
    endpoints = reader.endpoints
    known = {
        "application": (endpoints.application, "/health"),
        "Prometheus": (endpoints.prometheus, "/-/ready"),
        "Grafana": (endpoints.grafana, "/api/health"),
    }
    for what, (base, path) in known.items():
        if base is not None:
            yield _asked(what, lambda base=base, path=path: _answers(base.rstrip("/") + path), base)  # type: ignore[misc]  # defaults bind them
        elif what == "application":
            yield Finding(what, lack=_nowhere(), counts=True)


def _answers(url: str) -> None:
    fault = unhealthy(url)
    if fault is not None:
        raise NotReadyError(
            url, expected="an answer with status 200", seen=fault, remedy="See to it, or correct [endpoints]."
        )


def _nowhere() -> NotReadyError:
    return NotReadyError(
        "application",
        expected="an address where it answers",
        seen="none",
        remedy="Give endpoints.application, or deploy it.",
    )
