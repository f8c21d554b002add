"""Each guard before AWS' stand-in bites: what it keeps out comes in when it is taken away, and no sooner."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import rsa

from environments.embedded.aws import ACCOUNT
from environments.embedded.aws.faults import Fault, Refuse
from environments.embedded.processes import Process, ProcessSpec, Supervisor
from tests.aws.cloud import Client, Cloud, allow, running
from tests.aws.functions import Function, function
from tests.aws.raw import json_headers, send, sign

pytestmark = pytest.mark.embedded

# Python runs a module of this name before all else; what it plants waits until LocalStack has loaded.
_PLANTED = """
import pathlib
from mita_localstack import settings

given, removed = settings.Settings.given, pathlib.Path({removed!r})

def guarded(name, owner, attribute, without):
    real = getattr(owner, attribute)
    def either(*arguments, **named):
        return (without if removed.read_text() == name else real)(*arguments, **named)
    setattr(owner, attribute, either)

def plant():
    from mita_localstack import authorization, callers, decisions, forms, guard, key_use, web_identity
    from mita_localstack.faults import Faults
    from mita_localstack.trail import Trail

    identify = callers.Callers.identify
    def anybody(self, context):
        signed = callers.sent(context).header("authorization")
        return identify(self, context) if signed else self._administrator({account!r}, "planted")

    guarded("identity", callers.Callers, "identify", anybody)
    guarded("signature", callers, "is_genuine", lambda *_: True)
    guarded("freshness", callers, "_require_fresh", lambda *_: None)
    guarded("scope", callers, "_require_scope", lambda *_: None)
    guarded("token signature", web_identity.WebIdentities, "_check_signature", lambda *_: None)
    guarded("token times", web_identity, "_check_times", lambda *_: None)
    guarded("trust policy", web_identity, "_trusted", lambda *_: True)
    guarded("permissions", authorization.Authorization, "decide", lambda *_: decisions.ALLOWED)
    guarded("keys", key_use.KeyUse, "_failure", lambda *_: None)
    guarded("function policy", guard, "may_rotate", lambda *_: True)
    guarded("form", forms, "require_valid", lambda *_: None)
    guarded("back doors", guard, "close_back_doors", lambda *_: None)
    guarded("faults", Faults, "striking", lambda *_, **__: iter(()))
    guarded("trail", Trail, "append", lambda *_: None)

def first():
    plant()
    return given()

settings.Settings.given = first
"""


class _Removable(Supervisor):
    """Starts LocalStack with guards that can be taken away, one at a time."""

    async def start(self, spec: ProcessSpec) -> Process:
        directory = spec.directory / "planted"
        directory.mkdir()
        (directory / "removed").write_text("")
        planted = _PLANTED.format(removed=str(directory / "removed"), account=ACCOUNT)
        (directory / "sitecustomize.py").write_text(planted)
        paths = f"{directory}:{spec.environment['PYTHONPATH']}"
        environment = {**spec.environment, "PYTHONPATH": paths}
        return await super().start(dataclasses.replace(spec, environment=environment))


@dataclass(frozen=True)
class Ground:
    """What the calls that have to be refused are about."""

    cloud: Cloud
    removed: Path
    secret: str
    locked: str
    role: str
    function: Function
    user: Client

    def goes_through(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except ClientError:
            return False
        return True

    def listed(self, **signing: Any) -> bool:  # noqa: ANN401  of sign()
        headers = sign(self.cloud, json_headers("ListSecrets"), b"{}", **signing)
        return send(self.cloud, headers, b"{}").status == http.client.OK

    def opened(self, **token: Any) -> bool:  # noqa: ANN401  claims
        return self.goes_through(lambda: self.cloud.session(self.role, self.cloud.issuer.token(**token)))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with running(_Removable) as cloud:
        yield await asyncio.to_thread(_prepared, cloud)


def _prepared(cloud: Cloud) -> Ground:
    secrets, kms = cloud.client("secretsmanager"), cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    one = secrets.create_secret(Name="one", SecretString="v")["ARN"]
    locked = secrets.create_secret(Name="locked", SecretString="v", KmsKeyId=key)["ARN"]
    kms.disable_key(KeyId=key)
    _, keys = cloud.user()
    unused = function(cloud, "def handler(event, context): ...")
    role = cloud.web_role(allow("secretsmanager:*"))
    removed = cloud.site.run.root / "localstack/planted/removed"
    return Ground(cloud, removed, one, locked, role, unused, cloud.client("secretsmanager", keys))


def _unsigned(ground: Ground) -> bool:
    return ground.goes_through(ground.cloud.anonymous("secretsmanager").list_secrets)


def _back_door(ground: Ground) -> bool:
    answer = send(ground.cloud, {}, b"", method="GET", path="/_localstack/init")
    return answer.status != http.client.FORBIDDEN


def _malformed(ground: Ground) -> bool:
    headers = sign(ground.cloud, json_headers("GetSecretValue"), b"{}")
    return send(ground.cloud, headers, b"{}").status != http.client.BAD_REQUEST


def _withdrawn_key(ground: Ground) -> bool:
    secrets = ground.cloud.client("secretsmanager")
    return ground.goes_through(lambda: secrets.get_secret_value(SecretId=ground.locked))


def _uninvited_function(ground: Ground) -> bool:
    secrets = ground.cloud.client("secretsmanager")
    rules = {"AutomaticallyAfterDays": 30}
    arn = ground.function.arn
    return ground.goes_through(
        lambda: secrets.rotate_secret(SecretId=ground.secret, RotationLambdaARN=arn, RotationRules=rules)
    )


def _spared(ground: Ground) -> bool:
    with ground.cloud.faults() as faults:
        faults.add(Fault(operation="GetRandomPassword", effect=Refuse(code="ThrottlingException")))
        return ground.goes_through(ground.cloud.client("secretsmanager").get_random_password)


def _untold(ground: Ground) -> bool:
    before = len(ground.cloud.records())
    ground.cloud.client("secretsmanager").describe_secret(SecretId=ground.secret)
    return len(ground.cloud.records()) == before


def _unmentioned(ground: Ground) -> bool:
    return ground.goes_through(lambda: ground.user.get_secret_value(SecretId=ground.secret))


_HOUR = timedelta(hours=1)
_OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
# What each guard keeps out: true when it got in.
_INTRUSIONS: dict[str, Callable[[Ground], bool]] = {
    "identity": _unsigned,
    "signature": lambda ground: ground.listed(secret_key="guessed"),
    "freshness": lambda ground: ground.listed(at=datetime.now(UTC) - _HOUR),
    "scope": lambda ground: ground.listed(service="nowhere"),
    "token signature": lambda ground: ground.opened(key=_OTHER_KEY),
    "token times": lambda ground: ground.opened(exp=int(time.time()) - 1),
    "trust policy": lambda ground: ground.opened(sub="system:serviceaccount:default:default"),
    "permissions": _unmentioned,
    "keys": _withdrawn_key,
    "function policy": _uninvited_function,
    "form": _malformed,
    "back doors": _back_door,
    "faults": _spared,
    "trail": _untold,
}


@pytest.mark.parametrize("removed", ["", *_INTRUSIONS], ids=lambda name: name or "none")
def test_what_a_guard_keeps_out_comes_in_when_it_is_taken_away(ground: Ground, removed: str) -> None:
    ground.removed.write_text(removed)

    came_in = {name for name, intrude in _INTRUSIONS.items() if intrude(ground)}

    assert came_in == ({removed} if removed else set())
