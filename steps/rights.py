"""Phase 1: what the roles' sessions may do, and what they may not."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import SecretStr
from pytest_bdd import given, then, when

from deployer.desired_roles import DesiredRole
from steps.attempts import Clients, Outcome, attempt_everything, unexpected
from steps.aws import AUDIENCE
from steps.identity import operators_role, service_account_token, take_role
from steps.parameters import phrase
from steps.system import System

SCRATCH = "scenario-"
"""What the names of roles begin with that scenarios make for themselves."""

_ROLES = ("the operator's role", "the smoke run's role", "the rotation's role", "the exporter's role")
_APPLICATION_KEY = "app/secret-key"
_PLAIN = b"encrypted by a scenario"
_BITS = 32

# One try at the very address, whatever a service would put before its host.
_AS_GIVEN = Config(
    retries={"total_max_attempts": 1},
    proxies={},
    inject_host_prefix=False,
    s3={"addressing_style": "path"},
)

Json = dict[str, Any]


def desired_role(system: System, which: str) -> DesiredRole:
    """Return a role by the name that it has in scenarios."""
    operators = operators_role(system)
    if which == "the operator's role":
        return operators
    others = [role for role in system.desired.roles if role is not operators]
    (role,) = (
        role
        for role in others
        if {
            "the rotation's role": role.service is not None,
            "the smoke run's role": role.account,
            "the exporter's role": bool(role.service_account),
        }[which]
    )
    return role


def clients_of(system: System, credentials: Mapping[str, Any]) -> Clients:
    """Return what makes clients of a session, each once, at the addresses of the system's own."""

    @cache
    def client(service: str) -> Any:  # noqa: ANN401  boto3's clients have no common type
        ours = system.aws(service).meta
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=ours.endpoint_url,
            region_name=ours.region_name,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=_AS_GIVEN,
        )

    return client


def assume(system: System, role: str, session: str) -> Clients:
    """Take a role on as the account, which it has to trust."""
    arn = f"arn:aws:iam::{system.connections.account}:role/{role}"
    credentials = system.aws("sts").assume_role(RoleArn=arn, RoleSessionName=session)["Credentials"]
    for name in ("SecretAccessKey", "SessionToken"):
        system.on_secret(f"a scenario's {name}", SecretStr(credentials[name]))
    return clients_of(system, credentials)


def scratch_role(system: System, policies: Mapping[str, Json]) -> Iterator[str]:
    """Make a role that the account may take on, and remove it at the end."""
    iam, name = system.aws("iam"), SCRATCH + secrets.token_hex(4)
    system.plant_reader(name)
    principal = {"AWS": f"arn:aws:iam::{system.connections.account}:root"}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))
    try:
        for title, document in policies.items():
            iam.put_role_policy(RoleName=name, PolicyName=title, PolicyDocument=json.dumps(document))
        yield name
    finally:
        for title in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=title)
        iam.delete_role(RoleName=name)


def _policy(statements: list[Json]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _policies(system: System, role: str) -> dict[str, Json]:
    iam = system.aws("iam")
    titles = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {t: iam.get_role_policy(RoleName=role, PolicyName=t)["PolicyDocument"] for t in titles}


# ---- sessions


@given("a session of the operator's role", target_fixture="session")
def _operators_session(system: System) -> Clients:
    return _pods_session(system, operators_role(system))


def _pods_session(system: System, role: DesiredRole) -> Clients:
    token = service_account_token(system, role.service_account, AUDIENCE)
    return clients_of(system, take_role(system, role.name, token)["Credentials"])


@given(phrase("a session with the rights of {which:Role}", Role=_ROLES), target_fixture="session")
def _session_with_rights(system: System, which: str) -> Iterator[Clients]:
    role = desired_role(system, which)
    if role.account:
        yield assume(system, role.name, "scenario")
    elif role.service_account:
        yield _pods_session(system, role)
    else:  # it opens for a service of AWS only, so another one is given what it has
        for copy in scratch_role(system, _policies(system, role.name)):
            yield assume(system, copy, "scenario")


@given(
    phrase("a session with the rights of the operator's role and one more, {action:Quoted}"),
    target_fixture="session",
)
def _session_with_one_more(system: System, action: str) -> Iterator[Clients]:
    more = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
    policies = _policies(system, operators_role(system).name) | {"one-more": more}
    for role in scratch_role(system, policies):
        yield assume(system, role, "scenario")


# ---- what it does


@when("the session reads every secret of production", target_fixture="read")
def _reads_every_secret(system: System, session: Clients) -> dict[str, SecretStr]:
    manager = session("secretsmanager")
    names = [secret.name for secret in system.desired.secrets]
    return {
        name: SecretStr(manager.get_secret_value(SecretId=system.full_name(name))["SecretString"])
        for name in names
    }


@then("each one's current value is read")
def _current_values_are_read(system: System, read: Mapping[str, SecretStr]) -> None:
    manager = system.aws("secretsmanager")
    for name, value in read.items():
        current = manager.get_secret_value(SecretId=system.full_name(name))["SecretString"]
        assert system.fingerprints.same(value, current), f"{name} was read as something else"


@pytest.fixture
def another_key(system: System) -> Iterator[str]:
    """A key that nobody has any use for."""
    kms = system.aws("kms")
    made: str = kms.create_key(Description="of a scenario")["KeyMetadata"]["Arn"]
    yield made
    kms.schedule_key_deletion(KeyId=made, PendingWindowInDays=7)


@pytest.fixture
def secret_elsewhere(system: System) -> Iterator[str]:
    """A secret beside production's, encrypted with the same key."""
    manager, name = system.aws("secretsmanager"), SCRATCH + secrets.token_hex(4)
    value = SecretStr(secrets.token_urlsafe(_BITS))
    system.on_secret("a secret of a scenario", value)
    key = system.desired.key.alias
    manager.create_secret(Name=name, SecretString=value.get_secret_value(), KmsKeyId=key)
    yield name
    manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _decrypt(system: System, session: Clients, key: str) -> bytes | ClientError:
    blob = system.aws("kms").encrypt(KeyId=key, Plaintext=_PLAIN)["CiphertextBlob"]
    try:
        plain: bytes = session("kms").decrypt(CiphertextBlob=blob)["Plaintext"]
    except ClientError as refusal:
        return refusal
    return plain


@when("the session reads what was encrypted with the secrets' key", target_fixture="given")
def _reads_encrypted(system: System, session: Clients) -> bytes | ClientError:
    return _decrypt(system, session, system.desired.key.alias)


@when("the session reads what was encrypted with another key", target_fixture="given")
def _reads_otherwise_encrypted(system: System, session: Clients, another_key: str) -> bytes | ClientError:
    return _decrypt(system, session, another_key)


@when("the session reads a secret that is not production's", target_fixture="given")
def _reads_elsewhere(session: Clients, secret_elsewhere: str) -> bytes | ClientError:
    return _secret(session, secret_elsewhere)


@when("the session reads the application's key", target_fixture="given")
def _reads_application_key(system: System, session: Clients) -> bytes | ClientError:
    return _secret(session, system.full_name(_APPLICATION_KEY))


def _secret(session: Clients, name: str) -> bytes | ClientError:
    try:
        value: str = session("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    except ClientError as refusal:
        return refusal
    return value.encode()


@then("it is given what was encrypted")
def _is_given(given: bytes | ClientError) -> None:
    assert given == _PLAIN, str(given) if isinstance(given, ClientError) else "it was given something else"


@then("it is refused for lack of permission")
def _is_refused(given: bytes | ClientError) -> None:
    assert isinstance(given, ClientError), "it was allowed"
    error = given.response["Error"]
    assert error["Code"] in {"AccessDenied", "AccessDeniedException"}, error
    assert "is not authorized to perform" in error["Message"], error["Message"]


# ---- everything


@when(
    "the session attempts every operation of the services in use, and a sample of others",
    target_fixture="outcome",
)
def _attempts_everything(system: System, session: Clients) -> Outcome:
    return attempt_everything(session, _names(system), seed=secrets.randbits(_BITS))


def _names(system: System) -> Mapping[str, Mapping[str, str]]:
    key = system.aws("kms").describe_key(KeyId=system.desired.key.alias)["KeyMetadata"]["Arn"]
    account = system.connections.account
    role = operators_role(system).name
    absent = f"{system.desired.secret_store.prefix}{SCRATCH}absent"
    function = system.desired.rotation.functions[0]
    return {
        "secretsmanager": {
            "SecretId": system.full_name(_APPLICATION_KEY),
            "absent:SecretId": absent,
            "Name": absent,
        },
        "kms": {"KeyId": key, "SourceKeyId": key, "DestinationKeyId": key},
        "iam": {"RoleName": role, "PolicyArn": f"arn:aws:iam::{account}:policy/{SCRATCH}absent"},
        "sts": {"RoleArn": f"arn:aws:iam::{account}:role/{role}"},
        "lambda": {"FunctionName": function.name},
        "logs": {"logGroupName": function.log_group},
        "eks": {"name": system.desired.cluster, "clusterName": system.desired.cluster},
    }


@then(phrase("nothing is allowed to it but what {which:Role} is for", Role=_ROLES))
def _nothing_else_is_allowed(system: System, outcome: Outcome, which: str) -> None:
    purpose = {action for each in desired_role(system, which).statements for action in each.actions}
    extra = unexpected(outcome, purpose)
    assert not extra, (
        f"of {outcome.attempted} operations (seed {outcome.seed}) it may also {', '.join(extra)}"
    )
    assert outcome.allowed, "not even what it is for was allowed, so the attempts prove nothing"


@then(phrase("the right too many is named as {action:Quoted}"))
def _right_too_many(system: System, outcome: Outcome, action: str) -> None:
    purpose = {each for statement in operators_role(system).statements for each in statement.actions}
    assert unexpected(outcome, purpose) == [action], f"seed {outcome.seed}"
