"""Faults that alerts are made for, each undone at the end of its block."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from botocore.exceptions import ClientError
from pydantic import SecretStr

from deployer.eventually import eventually
from deployer.kinds.releases import not_rolled_out
from faults.cluster import scale
from steps import prometheus
from steps.age_faults import certificate_about_to_end, older_than_allowed, synchronised_long_ago
from steps.definitions import definition, keep, well_formed
from steps.focus import Focus
from steps.mounting import until_mounted
from steps.rights import assume, scratch_role
from steps.synchronisation import synchronise
from steps.system import System

_OPERATORS_NAMESPACE = "external-secrets-system"
_APPLICATION = "mita-production"
_DATABASE = "database/primary"
_APPLICATION_KEY = "app/secret-key"

Fault = Callable[[System, Focus], AbstractContextManager[float | None]]
"""Is there within its block, since the moment that it yields, or since the block was entered."""


@contextmanager
def _stopped(system: System, focus: Focus, name: str) -> Iterator[None]:
    """Scale a deployment in the operator's namespace to nothing."""
    manifest = focus.on("apps/v1", "Deployment", name, _OPERATORS_NAMESPACE)
    scale(system.cluster, _OPERATORS_NAMESPACE, name, 0)
    try:
        yield
    finally:
        scale(system.cluster, _OPERATORS_NAMESPACE, name, 1)
        eventually(
            lambda: not_rolled_out(system.cluster.get(manifest)),
            subject=name,
            deadline=60.0,
            remedy="Look at its pods.",
        )


def operator_stopped(system: System, focus: Focus) -> AbstractContextManager[None]:
    """Stop the operator's controller."""
    return _stopped(system, focus, "external-secrets")


def exporter_stopped(system: System, focus: Focus) -> AbstractContextManager[None]:
    """Stop the exporter."""
    return _stopped(system, focus, "mita-secret-exporter")


@contextmanager
def nothing_to_read(system: System, focus: Focus) -> Iterator[None]:
    """Declare an external secret whose counterpart AWS does not have."""
    spec = well_formed(system, "external secret")
    name = "scenario-" + secrets.token_hex(4)
    spec["target"]["name"] = name
    spec["data"][0]["remoteRef"]["key"] = system.full_name("app/no-such-secret")
    yield from _once(keep(system, focus, definition(system, "ExternalSecret", name, spec)))


@contextmanager
def store_without_account(system: System, focus: Focus) -> Iterator[None]:
    """Declare a store whose service account does not exist."""
    spec = well_formed(system, "secret store")
    spec["provider"]["aws"]["auth"]["jwt"]["serviceAccountRef"]["name"] = "no-such-account"
    name = "scenario-" + secrets.token_hex(4)
    yield from _once(keep(system, focus, definition(system, "SecretStore", name, spec)))


def _once(generator: Iterator[object]) -> Iterator[None]:
    next(generator)
    try:
        yield
    finally:
        next(generator, None)


@contextmanager
def rotation_left_pending(system: System, focus: Focus) -> Iterator[None]:  # noqa: ARG001  as the others
    """Leave a new version of a secret pending, as a rotation does that dies half way."""
    manager, name = system.aws("secretsmanager"), system.full_name(_APPLICATION_KEY)
    value = SecretStr(json.dumps({"value": secrets.token_urlsafe(32)}))
    system.on_secret("a pending application key", SecretStr(json.loads(value.get_secret_value())["value"]))
    made = manager.put_secret_value(
        SecretId=name, SecretString=value.get_secret_value(), VersionStages=["AWSPENDING"]
    )
    try:
        yield
    finally:
        manager.update_secret_version_stage(
            SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=made["VersionId"]
        )


@contextmanager
def credential_that_does_not_work(system: System, focus: Focus) -> Iterator[float]:
    """Store a password that PostgreSQL does not take.

    Yields:
        Since when a pod of the application has it, in seconds since the epoch.
    """
    focus.on("apps/v1", "Deployment", _APPLICATION, system.desired.namespace)
    manager, name = system.aws("secretsmanager"), system.full_name(_DATABASE)
    before: str = manager.get_secret_value(SecretId=name)["SecretString"]
    fields = json.loads(before)
    wrong = secrets.token_urlsafe(32)
    system.on_secret("a password that does not work", SecretStr(wrong))
    right = fields["connection_string"]
    start, _, rest = right.partition("://")
    login, _, server = rest.rpartition("@")
    fields |= {
        "password": wrong,
        "connection_string": f"{start}://{login.partition(':')[0]}:{wrong}@{server}",
    }
    manager.put_secret_value(SecretId=name, SecretString=json.dumps(fields))
    try:
        synchronise(system)
        yield _until_refused(system, refused=True)
    finally:
        manager.put_secret_value(SecretId=name, SecretString=before)
        synchronise(system)
        _until_refused(system, refused=False)


def _until_refused(system: System, *, refused: bool) -> float:
    """Wait until a pod of the application, or none any more, has a credential that is refused."""

    def missing() -> str | None:
        found = prometheus.query(system, 'max(mita_credential_pending{kind="database"})')
        return None if [bool(value) for _, value in found] == [refused] else "pods have not taken it up"

    namespace = system.desired.namespace
    return until_mounted(system, namespace, f"app={_APPLICATION}", missing, subject="the database's password")


@contextmanager
def key_to_be_deleted(system: System, focus: Focus) -> Iterator[None]:  # noqa: ARG001  as the others
    """Schedule the key's deletion."""
    kms = system.aws("kms")
    key = kms.describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    try:
        yield
    finally:
        kms.cancel_key_deletion(KeyId=key)
        kms.enable_key(KeyId=key)
        synchronise(system)  # which may have failed meanwhile and be backing off


@contextmanager
def stranger_reads(system: System, focus: Focus) -> Iterator[None]:  # noqa: ARG001  as the others
    """Have a role that has no business with secrets try to read one."""
    roles = scratch_role(system, {})
    session = assume(system, next(roles), "stranger")
    try:
        session("secretsmanager").get_secret_value(SecretId=system.full_name(_APPLICATION_KEY))
    except ClientError as refusal:
        assert refusal.response["Error"]["Code"] == "AccessDeniedException", str(refusal)  # noqa: PT017  any other is no such attempt
    else:
        raise AssertionError("a role without rights reads secrets")
    try:
        yield
    finally:
        next(roles, None)


FAULTS: dict[str, Fault] = {
    "the operator is stopped": operator_stopped,
    "AWS does not have what an external secret asks for": nothing_to_read,
    "a store's service account does not exist": store_without_account,
    "a rotation dies half way": rotation_left_pending,
    "a stored password does not work": credential_that_does_not_work,
    "the key is to be deleted": key_to_be_deleted,
    "a stranger tries to read a secret": stranger_reads,
    "the exporter is stopped": exporter_stopped,
    "a secret was last synchronised too long ago": synchronised_long_ago,
    "secrets are older than they may become": older_than_allowed,
    "the webhook's certificate is about to end": certificate_about_to_end,
}
