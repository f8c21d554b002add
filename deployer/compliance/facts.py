"""What the validator knows about a place: plain facts, without any secret value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """Facts that could not be had.

    Attributes:
        where: Whom or what could not be asked, with its address.
        reason: What came instead.
    """

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Key:
    """The KMS key behind the alias.

    Attributes:
        manager: ``CUSTOMER``, or ``AWS`` for a key of a service's own.
        policy: Its key policy, as a document.
        rotation_days: Days between two rotations; None while rotation is off.
    """

    arn: str
    state: str
    manager: str
    spec: str
    usage: str
    rotation_days: int | None
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret of Secrets Manager, without its value.

    Attributes:
        key: Key that it is encrypted with, as Secrets Manager names it; None for AWS' own.
        current_since: When the current version was made; one for each version labelled so.
        rotation_due: When AWS means to rotate it next; None where no rotation is scheduled.
        policy: Its resource policy; None when there is none.
    """

    name: str
    key: str | None
    current_since: tuple[datetime, ...]
    policy: Mapping[str, Any] | None
    rotation_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """How the cluster's own store keeps Secrets.

    Attributes:
        records: Name and the provider that encrypted it, or None where it lies there in plain;
            None altogether where the store cannot be read.
        envelope: What the cloud's cluster service says: kinds of objects that it encrypts with a
            key of KMS; None where nobody answers for that.
    """

    records: Mapping[str, str | None] | None
    envelope: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server showed, or a configuration trusts."""

    subject: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection that secrets travel on.

    Attributes:
        address: Host and port.
        local: Whether it never leaves the machine.
        protocol: The negotiated version, such as ``TLSv1.3``; None where TLS is not spoken.
        old_protocols: Whether the server also agrees to a version older than TLS 1.2.
        untrusted: Why the certificate is not accepted; None when it is.
        certificate: The server's.
    """

    address: str
    local: bool
    protocol: str | None
    old_protocols: bool = False
    untrusted: str | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """Text that looks like a secret, where none should be.

    Attributes:
        place: Object or file and line.
        kind: What it looks like.
        fingerprint: Keyed digest of it, good for comparisons within one report.
    """

    place: str
    kind: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A service-account token that a pod has mounted."""

    place: str
    audience: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Workloads:
    """What runs in the namespaces of the application and of the operator.

    Attributes:
        containers: How many containers were looked at.
        literals: Suspicious environment values and arguments.
        config_maps: Suspicious entries of ConfigMaps.
        tokens: Tokens that pods have mounted.
        lasting_tokens: Secrets that hold a service-account token without an end.
    """

    containers: int
    literals: tuple[Suspect, ...]
    config_maps: tuple[Suspect, ...]
    tokens: tuple[TokenRequest, ...]
    lasting_tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """A subject that may read Secrets of the application's namespace, and the binding that lets it."""

    subject: str
    binding: str


@dataclass(frozen=True, slots=True)
class Trail:
    """An audit trail.

    Attributes:
        newest: When the newest record about a secret was made; None when there is none.
    """

    newest: datetime | None


@dataclass(frozen=True, slots=True)
class Sources:
    """Source trees that were searched for hardcoded secrets."""

    files: int
    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is judged, as of one moment.

    Attributes:
        hops: By the name of the control that judges each.
        administrators: Subjects that administer this very cluster, as whoever made it says.
    """

    now: datetime
    account: str
    key: Key | Unknown
    secrets: tuple[StoredSecret, ...] | Unknown
    wanted_secrets: frozenset[str]
    store: Store | Unknown
    hops: Mapping[str, Hop | Unknown]
    workloads: Workloads | Unknown
    readers: tuple[Reader, ...] | Unknown
    cloud_trail: Trail | Unknown
    cluster_trail: Trail | Unknown
    sources: Sources | Unknown
    administrators: frozenset[str] = frozenset()
