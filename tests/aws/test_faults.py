"""AWS fails as it is told to, for whom it is told to, and no longer than somebody holds the fault."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError, ConnectionClosedError
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deployer.errors import NotReadyError
from deployer.eventually import eventually
from environments.embedded.aws import FAULTS, AwsFaults
from environments.embedded.aws.faults import Delay, Fault, KeyState, Refuse, Reset
from environments.embedded.aws.plugins.mita_localstack.fault_socket import FaultServer
from environments.embedded.aws.plugins.mita_localstack.faults import Faults
from tests.aws.cloud import Client, Cloud, allow, refused, running, unique

THROTTLE = Refuse(code="ThrottlingException", message="Rate exceeded")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    async with running() as made:
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with tempfile.TemporaryDirectory() as directory:
        made = FaultServer(Path(directory) / "faults.sock", Faults())
        made.start()
        yield made
        made.shutdown()
        made.server_close()


@pytest.fixture
def faults(cloud: Cloud) -> Iterator[AwsFaults]:
    with cloud.faults() as made:
        yield made


@pytest.fixture
def secrets(cloud: Cloud) -> Client:
    return cloud.client("secretsmanager")


@pytest.mark.embedded
def test_calls_are_refused_until_the_fault_is_cleared(
    cloud: Cloud, faults: AwsFaults, secrets: Client
) -> None:
    fault = Fault(service="secretsmanager", operation="List*", effect=THROTTLE)
    fault_id = faults.add(fault)
    for _ in range(2):
        with refused("ThrottlingException", "Rate exceeded"):
            secrets.list_secrets()
    secrets.get_random_password()
    cloud.client("iam").list_roles()
    (active,) = faults.active()
    assert (active.id, active.fault, active.struck) == (fault_id, fault, 2)
    record = cloud.records()[-3]
    assert (record["eventName"], record["errorCode"]) == ("ListSecrets", "ThrottlingException")

    assert faults.remove(fault_id)
    assert not faults.remove(fault_id)
    secrets.list_secrets()
    assert faults.active() == []


@pytest.mark.embedded
def test_a_fault_strikes_one_principal_and_one_resource(
    cloud: Cloud, faults: AwsFaults, secrets: Client
) -> None:
    one, two = (secrets.create_secret(Name=unique("secret"), SecretString="v")["ARN"] for _ in range(2))
    arn, credentials = cloud.user(allow("secretsmanager:*"))
    theirs = cloud.client("secretsmanager", credentials)
    faults.add(Fault(principal=arn, resource=one, effect=Refuse(code="InternalServiceError", status=500)))
    with refused("InternalServiceError"):
        theirs.get_secret_value(SecretId=one)
    theirs.get_secret_value(SecretId=two)
    secrets.get_secret_value(SecretId=one)


@pytest.mark.embedded
def test_a_fault_strikes_as_often_as_it_is_told(faults: AwsFaults, secrets: Client) -> None:
    faults.add(Fault(service="secretsmanager", count=2, effect=THROTTLE))
    for _ in range(2):
        with refused("ThrottlingException"):
            secrets.list_secrets()
    secrets.list_secrets()


@pytest.mark.embedded
def test_calls_before_are_let_go(faults: AwsFaults, secrets: Client) -> None:
    faults.add(Fault(operation="ListSecrets", after=2, count=1, effect=THROTTLE))
    secrets.list_secrets()
    secrets.list_secrets()
    with refused("ThrottlingException"):
        secrets.list_secrets()
    secrets.list_secrets()


@pytest.mark.embedded
def test_a_fault_strikes_as_likely_as_it_is_told(faults: AwsFaults, secrets: Client) -> None:
    fault_id = faults.add(Fault(service="secretsmanager", probability=0.3, seed=4, effect=THROTTLE))
    for _ in range(100):
        with contextlib.suppress(ClientError):
            secrets.list_secrets()
    (active,) = faults.active()
    assert active.id == fault_id
    assert 10 <= active.struck <= 50


@pytest.mark.embedded
def test_calls_take_longer(faults: AwsFaults, secrets: Client) -> None:
    faults.add(Fault(service="secretsmanager", count=1, effect=Delay(seconds=0.5)))
    began = time.monotonic()
    secrets.list_secrets()
    assert time.monotonic() - began >= 0.5


@pytest.mark.embedded
def test_an_answer_is_late_and_the_call_was_served_on_time(faults: AwsFaults, secrets: Client) -> None:
    name = unique("late")
    faults.add(Fault(operation="CreateSecret", effect=Delay(seconds=2, answer=True)))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(lambda: secrets.create_secret(Name=name, SecretString="there"))
        eventually(
            lambda: None if faults.active()[0].struck else "it has not been served",
            subject="the call",
            deadline=2,
            remedy="See the guard.",
        )
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == "there"
        assert not asked.done()
        asked.result()
    assert time.monotonic() - began >= 2


@pytest.mark.embedded
def test_connections_are_reset(cloud: Cloud, faults: AwsFaults, secrets: Client) -> None:
    faults.add(Fault(service="secretsmanager", operation="ListSecrets", count=1, effect=Reset()))
    with pytest.raises((ConnectionClosedError, ConnectionError)):
        secrets.list_secrets()
    assert cloud.records()[-1]["errorCode"] == "ConnectionReset"
    secrets.list_secrets()


@pytest.mark.embedded
def test_a_key_is_as_if_disabled(cloud: Cloud, faults: AwsFaults, secrets: Client) -> None:
    kms = cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    alias = f"alias/{unique('key')}"
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    secret = secrets.create_secret(Name=unique("secret"), SecretString="v", KmsKeyId=key)["ARN"]
    for resource, state, error in (
        (key, "Disabled", "DisabledException"),
        (f"*:{alias}", "PendingDeletion", "KMSInvalidStateException"),
    ):
        fault_id = faults.add(Fault(resource=resource, effect=KeyState(state=state)))  # type: ignore[arg-type]  # one of the two
        with refused(error):
            kms.encrypt(KeyId=alias, Plaintext=b"text")
        with refused("DecryptionFailure", error):
            secrets.get_secret_value(SecretId=secret)
        kms.describe_key(KeyId=key)
        faults.remove(fault_id)
        kms.encrypt(KeyId=key, Plaintext=b"text")
        secrets.get_secret_value(SecretId=secret)


@pytest.mark.embedded
def test_kms_denies_what_secrets_manager_asks_for_somebody(
    cloud: Cloud, faults: AwsFaults, secrets: Client
) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    secret = secrets.create_secret(Name=unique("secret"), SecretString="v", KmsKeyId=key)["ARN"]
    faults.add(Fault(service="kms", operation="Decrypt", effect=Refuse(code="AccessDeniedException")))
    with refused("AccessDeniedException", "Access to KMS is not allowed"):
        secrets.get_secret_value(SecretId=secret)


@pytest.mark.embedded
def test_faults_end_with_their_holder_however_he_ends(
    cloud: Cloud, faults: AwsFaults, secrets: Client
) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from environments.embedded.aws.faults import AwsFaults, Fault, Refuse\n"
        "faults = AwsFaults(Path(sys.argv[1]))\n"
        "faults.add(Fault(service='secretsmanager', effect=Refuse(code='ThrottlingException')))\n"
        "print('set', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        (sys.executable, "-c", program, str(cloud.site.run.root / FAULTS)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"set\n"
    with refused("ThrottlingException"):
        secrets.list_secrets()
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    deadline = time.monotonic() + 10
    while faults.active() and time.monotonic() < deadline:
        time.sleep(0.02)
    secrets.list_secrets()


@pytest.mark.embedded
def test_the_socket_is_its_owners_alone_and_takes_faults_only(cloud: Cloud, faults: AwsFaults) -> None:
    path = cloud.site.run.root / FAULTS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for request in (
        {"ask": "add", "fault": {"effect": {"kind": "explode"}}},
        {"ask": "add", "fault": {"effect": {"kind": "reset"}, "probability": 2}},
        {"ask": "else"},
        {},
    ):
        with pytest.raises(NotReadyError):
            faults._ask(**request)
    assert faults.active() == []


@settings(max_examples=150)
@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"")),
            st.fixed_dictionaries(
                {"ask": st.sampled_from(["add", "remove", "list"])},
                optional={
                    "id": st.none() | st.integers() | st.lists(st.text()) | st.text(),
                    "fault": st.text(),
                },
            ).map(lambda request: json.dumps(request).encode()),
            st.just(b"[" * 60_000),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_sent_is_answered_and_sets_nothing(server: FaultServer, lines: list[bytes]) -> None:
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
        client.settimeout(10)
        client.connect(str(server.server_address))
        for line in lines:
            client.sendall(line + b"\n")
            assert isinstance(json.loads(answers.readline()), dict)
    assert server.faults.active() == []


def test_without_a_server_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="LocalStack to take them"):
        AwsFaults(tmp_path / "none.sock")


# ---- the rules by themselves


@settings(max_examples=50)
@given(seed=st.integers(), probability=st.floats(0.05, 0.95), count=st.none() | st.integers(1, 20))
def test_equal_seeds_strike_equally(seed: int, probability: float, count: int | None) -> None:
    fault = Fault(effect=Reset(), seed=seed, probability=probability, count=count)

    def strikes() -> list[bool]:
        faults = Faults()
        faults.add(fault)
        return [bool(faults.striking("kms", "Decrypt", "", ())) for _ in range(200)]

    first = strikes()
    assert first == strikes()
    assert any(first)
    assert sum(first) <= (count or 200)
    if count is None:
        assert sum(first) == pytest.approx(200 * probability, abs=45)


def test_what_is_no_fault_is_refused() -> None:
    for wrong in (
        {"count": 0},
        {"probability": 0},
        {"effect": {"kind": "delay", "seconds": -1}},
        {"also": 1},
    ):
        with pytest.raises(ValidationError):
            Fault.model_validate({"effect": {"kind": "reset"}} | wrong)
