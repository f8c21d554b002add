"""What has to be there: `production.toml`, read into types that catch contradictions."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, ValidationError, model_validator

from deployer.desired_roles import DesiredRole
from deployer.desired_rotation import DesiredRotation, connection_template, supplied_forms
from deployer.desired_secrets import DesiredSecret, Strict
from deployer.errors import ConfigurationError

ROOT = Path(__file__).parent
"""What paths of the desired state are relative to."""
PRODUCTION = ROOT / "production.toml"
SMOKE_ROLE = "mita-production-smoke"
"""The AWS role of smoke runs, which can only read."""
SMOKE_ACCOUNT = "mita-production/mita-smoke"
"""The Kubernetes service account of smoke runs, as namespace and name."""

PhaseNumber = Annotated[int, Field(ge=0, le=8)]
Name = Annotated[str, Field(min_length=1)]


class Phase(Strict):
    """One of the guide's phases."""

    number: PhaseNumber
    name: Name
    title: Name


class KeyStatement(Strict):
    """One statement of the key policy; the principal `account` is the account's root."""

    sid: Name
    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]


class DesiredKey(Strict):
    """The KMS key behind the alias."""

    phase: PhaseNumber
    alias: Annotated[str, Field(pattern=r"^alias/[A-Za-z0-9/_-]+$")]
    description: str
    rotation_days: Annotated[int, Field(ge=90, le=2560)]
    policy: tuple[KeyStatement, ...]


class SecretStore(Strict):
    """Where in Secrets Manager the secrets lie.

    Attributes:
        prefix: What the names of the application's secrets begin with.
        administrators_prefix: What the names of the servers' administrators' secrets begin with;
            apart, so that whoever reads everything under `prefix` reads none of them.
    """

    phase: PhaseNumber
    population_phase: PhaseNumber
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]+/$")]
    administrators_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]+/$")]
    recovery_days: Annotated[int, Field(ge=7, le=30)]

    @model_validator(mode="after")
    def _prefixes_are_apart(self) -> Self:
        if self.administrators_prefix.startswith(self.prefix):
            raise ValueError("administrators_prefix must not be under prefix")
        return self


class DesiredRelease(Strict):
    """A Helm release.

    Attributes:
        chart: `operator` for the chart that the connections name, else a directory beside
            `production.toml`.
        health: Path under the application's address that has to answer 200.
    """

    phase: PhaseNumber
    name: Name
    namespace: Name
    chart: Name
    timeout_seconds: PositiveInt
    health: str | None = None
    values: dict[str, Any] = Field(default_factory=dict)


class DesiredManifests(Strict):
    """Kubernetes manifests that are applied as they are, in this order."""

    phase: PhaseNumber
    directory: Name
    files: tuple[str, ...]
    deadline_seconds: PositiveInt


class DesiredDatabase(Strict):
    """PostgreSQL's side of the login whose secret is populated."""

    phase: PhaseNumber
    secret: Name
    name: Name
    owner: Name
    logins: Annotated[tuple[str, ...], Field(min_length=1)]


class DesiredCache(Strict):
    """Redis' side of the login whose secret is populated: an ACL user and its rules."""

    phase: PhaseNumber
    secret: Name
    user: Name
    rules: tuple[str, ...]


class Desired(Strict):
    """The whole desired state."""

    project: Name
    environment: Name
    region: Name
    cluster: Name
    namespace: Name
    helm_minimum: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    manifest_values: dict[Annotated[str, Field(pattern=r"^[A-Z_]+$")], str]
    tags: dict[str, str]
    phases: tuple[Phase, ...]
    key: DesiredKey
    secret_store: SecretStore
    secrets: tuple[DesiredSecret, ...]
    roles: tuple[DesiredRole, ...]
    releases: tuple[DesiredRelease, ...]
    manifests: tuple[DesiredManifests, ...]
    database: DesiredDatabase
    cache: DesiredCache
    rotation: DesiredRotation

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        _unique("phases", (phase.number for phase in self.phases))
        _unique("phases", (phase.name for phase in self.phases))
        _unique("secrets", (secret.name for secret in self.secrets))
        _unique("roles", (role.name for role in self.roles))
        _unique("releases", (release.name for release in self.releases))
        _unique("manifests", (file for group in self.manifests for file in group.files))
        known = {phase.number for phase in self.phases}
        for where, number in self._phases_used():
            if number not in known:
                _contradiction(where, f"one of the phases {sorted(known)}", f"phase {number}")
        self._secrets_named_exist()
        self._application_reads_what_is_made()
        self._functions_have_what_they_need()
        return self

    def _phases_used(self) -> Iterable[tuple[str, int]]:
        yield "key.phase", self.key.phase
        yield "secret_store.phase", self.secret_store.phase
        yield "secret_store.population_phase", self.secret_store.population_phase
        yield "database.phase", self.database.phase
        yield "cache.phase", self.cache.phase
        yield "rotation.phase", self.rotation.phase
        yield from ((f"roles.{role.name}.phase", role.phase) for role in self.roles)
        yield from ((f"releases.{release.name}.phase", release.phase) for release in self.releases)
        yield from (("manifests.phase", group.phase) for group in self.manifests)

    def _secrets_named_exist(self) -> None:
        names = {secret.name for secret in self.secrets}
        used = [("database.secret", self.database.secret), ("cache.secret", self.cache.secret)]
        used += (("rotation.functions", name) for name in self.rotation.secrets_named())
        for role in self.roles:
            where = f"roles.{role.name}.statements.resources"
            used += ((where, name) for name in role.named("secrets"))
            for name in role.named("role"):
                if name not in {each.name for each in self.roles}:
                    _contradiction(where, "a role that is declared", repr(name))
        for where, name in used:
            if name not in names:
                _contradiction(where, f"one of the secrets {sorted(names)}", repr(name))

    def _application_reads_what_is_made(self) -> None:
        made = {
            "secretStoreName": self.manifest_values.get("STORE_NAME"),
            "secretKeyPrefix": self.secret_store.prefix.rstrip("/"),
        }
        for release in self.releases:
            read = release.values.get("externalSecrets", {})
            for key in made.keys() & read.keys():
                if read[key] != made[key]:
                    where = f"releases.{release.name}.values.externalSecrets.{key}"
                    _contradiction(where, repr(made[key]), repr(read[key]))

    def _functions_have_what_they_need(self) -> None:
        roles = {role.name for role in self.roles if role.service == "lambda.amazonaws.com"}
        if self.rotation.role not in roles:
            _contradiction("rotation.role", f"a role of Lambda's, {sorted(roles)}", repr(self.rotation.role))
        for function in self.rotation.functions:
            supplied = function.module == "external_rotation"
            for secret in (self.secret(name) for name in function.secrets if not function.previous):
                try:
                    supplied_forms(secret) if supplied else connection_template(secret, {})
                except ValueError as error:
                    where = f"rotation.functions.{function.name}"
                    _contradiction(where, f"secrets for {function.module}", str(error))

    def secret(self, name: str) -> DesiredSecret:
        """Return a secret by its name below the prefix or by its full name.

        Raises:
            ConfigurationError: There is none of that name.
        """
        wanted = name.removeprefix(self.secret_store.prefix)
        for secret in self.secrets:
            if secret.name == wanted:
                return secret
        raise ConfigurationError(
            f"secret {name}",
            expected="one of " + ", ".join(secret.name for secret in self.secrets),
            seen=repr(name),
            remedy="Name a secret that production.toml declares.",
        )

    def full_name(self, secret: DesiredSecret) -> str:
        """Return a secret's name in Secrets Manager."""
        return self.secret_store.prefix + secret.name

    def phase(self, wanted: str | int | None) -> Phase:
        """Return a phase by number or name; None stands for the last one.

        Raises:
            ConfigurationError: There is no such phase.
        """
        if wanted is None:
            return max(self.phases, key=lambda phase: phase.number)
        for phase in self.phases:
            if str(wanted) in (str(phase.number), phase.name):
                return phase
        raise ConfigurationError(
            f"phase {wanted}",
            expected="one of " + ", ".join(f"{phase.number} ({phase.name})" for phase in self.phases),
            seen=repr(wanted),
            remedy="Give --through a number or a name from that list.",
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the desired state; it changes whenever anything desired does."""
        plain = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()


def _unique(where: str, values: Iterable[Any]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            _contradiction(where, "every name and number once", f"{value!r} {count} times")


def _contradiction(where: str, expected: str, seen: str) -> None:
    raise ConfigurationError(
        f"production.toml: {where}", expected=expected, seen=seen, remedy="Correct that key."
    )


def read(path: Path = PRODUCTION) -> Desired:
    """Read the desired state from a file.

    Raises:
        ConfigurationError: The file cannot be read, is no TOML, or contradicts itself; the
            error names file, key, what was expected and what was seen.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            str(path), expected="a readable file", seen=error.strerror or "none", remedy="Give its path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            str(path), expected="TOML", seen=str(error), remedy="Correct the file at that place."
        ) from error
    try:
        return Desired.model_validate(data)
    except ValidationError as error:
        # A misspelt key is both unknown and missing under its right name: the first says more.
        found = error.errors(include_url=False)
        first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
        key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        seen = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
        raise ConfigurationError(
            f"{path}: {key}", expected=first["msg"], seen=seen, remedy="Correct that key."
        ) from None
    except ConfigurationError as error:
        raise ConfigurationError(
            error.subject.replace("production.toml", str(path), 1),
            expected=error.expected,
            seen=error.seen,
            remedy=error.remedy,
        ) from None
