"""Which kinds of objects there are, made for one place and in the order of application."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any

from deployer.changes import Change
from deployer.cluster import Cluster, Object
from deployer.connections import Connections
from deployer.desired import ROOT, Desired, DesiredManifests, DesiredRelease
from deployer.failures import explained
from deployer.handwork import manifest_values
from deployer.helm import Helm
from deployer.kinds.administrators import Administrators
from deployer.kinds.cache_login import CacheLogin
from deployer.kinds.database_login import DatabaseLogin
from deployer.kinds.functions import Functions
from deployer.kinds.identity_provider import IdentityProviders
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.kms import Keys
from deployer.kinds.log_groups import LogGroups
from deployer.kinds.manifests import Manifests
from deployer.kinds.releases import Releases, wanted_release
from deployer.kinds.roles import Roles
from deployer.kinds.rotations import Rotations
from deployer.kinds.secrets import Secrets
from deployer.kinds.values import OnSecret, Values
from deployer.rendering import render
from deployer.supplied import Supplied


class Catalogue:
    """Makes the kinds of one place; its clients are made once."""

    def __init__(
        self, connections: Connections, desired: Desired, *, supplied: Supplied, on_secret: OnSecret
    ) -> None:
        self._connections = connections
        self._desired = desired
        self._supplied = supplied
        self._on_secret = on_secret
        self._cluster = Cluster(connections.kubernetes)
        self._helm = Helm(
            connections.helm, kubeconfig=connections.kubeconfig, context=connections.cluster.context
        )
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._manifests = [self._manifest_kind(group) for group in desired.manifests]

    def _aws(self, service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
        with self._lock:  # boto3 sessions must not make two clients at once
            if service not in self._clients:
                self._clients[service] = self._connections.aws(service)
            return self._clients[service]

    def kinds(self, through: int, replace: Collection[str]) -> list[Kind[Any]]:
        """Return the kinds through a phase, in the order of application."""
        values = self._values(replace)
        keys = Keys(
            self._desired.key,
            tags=self._desired.tags,
            account=self._connections.account,
            kms=self._aws("kms"),
        )
        kinds = [*self._infrastructure(keys), *self._releases_and_manifests(), *self._population(values)]
        if through >= self._desired.rotation.phase:  # spares others its clients and packages
            kinds += self._rotation(keys)
        order = {kind.key: place for place, kind in enumerate(kinds)}
        wanted = (kind for kind in kinds if kind.phase <= through)
        return sorted(wanted, key=lambda kind: (kind.phase, order[kind.key]))

    def _infrastructure(self, keys: Keys) -> Sequence[Kind[Any]]:
        desired, connections = self._desired, self._connections
        account, cluster, tags = connections.account, connections.cluster, desired.tags
        iam = self._aws("iam")
        kinds: list[Kind[Any]] = [
            keys,
            Secrets(desired, keys=keys, secretsmanager=self._aws("secretsmanager")),
        ]
        known: frozenset[str] = frozenset()
        for phase in sorted({role.phase for role in desired.roles}):
            audiences = frozenset(
                role.audience for role in desired.roles if role.audience and role.phase <= phase
            )
            # One provider serves every phase; a later one has it only to add to its audiences.
            if audiences > known:
                known = audiences
                kinds.append(
                    IdentityProviders(
                        phase, audiences=audiences, tags=tags, account=account, cluster=cluster, iam=iam
                    )
                )
            kinds.append(
                Roles(
                    phase,
                    desired,
                    keys=keys,
                    account=account,
                    region=connections.region,
                    cluster=cluster,
                    iam=iam,
                )
            )
        return kinds

    def _releases_and_manifests(self) -> Sequence[Kind[Any]]:
        # The operator's release brings the kinds that its manifests need; the application's
        # release needs the secrets that its manifests bring.
        releases = [self._release_kind(release) for release in self._desired.releases]
        operators = [
            each
            for each, wanted in zip(releases, self._desired.releases, strict=True)
            if wanted.chart == "operator"
        ]
        return [*operators, *self._manifests, *(each for each in releases if each not in operators)]

    def _release_kind(self, release: DesiredRelease) -> Releases:
        connections = self._connections
        operator = release.chart == "operator"
        added = connections.operator_values if operator else connections.application_values
        wanted = wanted_release(release, root=ROOT, operator=connections.operator_chart, added=added)
        return Releases(
            wanted, helm=self._helm, cluster=self._cluster, application=connections.endpoints.application
        )

    def _manifest_kind(self, group: DesiredManifests) -> Manifests:
        directory = ROOT / group.directory
        manifests: list[Object] = []
        for file in group.files:
            manifests += render(directory / file, manifest_values(self._desired, self._connections))
        return Manifests(
            group.phase, manifests, cluster=self._cluster, deadline=float(group.deadline_seconds)
        )

    def _values(self, replace: Collection[str]) -> Values:
        return Values(
            self._desired,
            facts=self._connections.facts,
            supplied=self._supplied,
            replace=replace,
            on_secret=self._on_secret,
            secretsmanager=self._aws("secretsmanager"),
        )

    def _population(self, values: Values) -> Sequence[Kind[Any]]:
        kinds: list[Kind[Any]] = [values]
        if self._connections.database is not None:
            kinds.append(
                DatabaseLogin(self._desired.database, server=self._connections.database, values=values)
            )
        if self._connections.cache is not None:
            kinds.append(CacheLogin(self._desired.cache, server=self._connections.cache, values=values))
        return kinds

    def _rotation(self, keys: Keys) -> Sequence[Kind[Any]]:
        desired, connections, manager = self._desired, self._connections, self._aws("secretsmanager")
        known = {"database": connections.database, "cache": connections.cache}
        administrators = Administrators(
            desired,
            logins={name: login for name, login in known.items() if login is not None},
            keys=keys,
            on_secret=self._on_secret,
            secretsmanager=manager,
        )
        functions = Functions(
            desired, connections=connections, administrators=administrators, client=self._aws("lambda")
        )
        groups = LogGroups(desired, logs=self._aws("logs"))
        return [
            administrators,
            groups,
            functions,
            Rotations(desired, functions=functions, secretsmanager=manager),
        ]

    def require_supplied(
        self, kinds: Collection[Kind[Any]], changes: Collection[Change], observed: Observed
    ) -> None:
        """Refuse to begin while a value that only the operator can give is missing.

        Raises:
            ConfigurationError: It names every missing value and how to give it.
        """
        for kind in kinds:
            if isinstance(kind, Values):
                kind.require_supplied(changes, observed)

    def announce_values(self) -> None:
        """Have the operator read new values now, where it is there already."""
        with explained("external secrets"):
            for kind in self._manifests:
                kind.nudge()
