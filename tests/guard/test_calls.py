"""What does more than read is refused before it is sent, whoever sends it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3
from botocore.exceptions import ClientError, HTTPClientError
from kubernetes.client import CoreV1Api
from kubernetes.stream import stream

from deployer.cluster import Cluster, ClusterError
from environments.guard import Budget, BudgetError, ForbiddenCallError, Guard
from environments.guard.aws import guarded
from environments.guard.helm import REFUSED, ReadOnlyHelm
from tests.guard.conftest import aws_client, cluster_client, raw_client
from tests.guard.server import Server

PODS = "/api/v1/namespaces/mita-production/pods"


# ---- AWS


def test_an_operation_that_changes_something_never_leaves(server: Server, guard: Guard) -> None:
    with pytest.raises(ForbiddenCallError, match="secretsmanager:PutSecretValue"):
        aws_client("secretsmanager", server, guard).put_secret_value(SecretId="x", SecretString="y")

    assert not server.seen
    assert len(guard.refusals) == 1
    assert "secretsmanager:PutSecretValue" in guard.refusals[0]


def test_without_the_guard_it_does_leave(server: Server) -> None:
    raw_client("secretsmanager", server).put_secret_value(SecretId="x", SecretString="y")

    assert server.seen == ["POST PutSecretValue"]


def test_nor_does_it_as_a_presigned_address(server: Server, guard: Guard) -> None:
    with pytest.raises(ForbiddenCallError, match="secretsmanager:DeleteSecret"):
        aws_client("secretsmanager", server, guard).generate_presigned_url(
            "delete_secret", Params={"SecretId": "x"}
        )


def test_an_operation_that_reads_passes(server: Server, guard: Guard) -> None:
    aws_client("secretsmanager", server, guard).describe_secret(SecretId="x")

    assert server.seen == ["POST DescribeSecret"]
    assert not guard.refusals


def test_an_unknown_reading_operation_is_refused_too(server: Server, guard: Guard) -> None:
    with pytest.raises(ForbiddenCallError, match="kms:ListKeys"):
        aws_client("kms", server, guard).list_keys()

    assert not server.seen


def test_nothing_but_the_identity_is_asked_before_it_is_known(server: Server) -> None:
    stranger = Guard(Budget(seconds=60, requests=100))

    with pytest.raises(ForbiddenCallError, match="account and cluster to be checked before"):
        aws_client("secretsmanager", server, stranger).list_secrets()
    with pytest.raises(ForbiddenCallError, match="account and context to be checked before"):
        Cluster(cluster_client(server, stranger)).call("GET", "/version")

    assert not server.seen


def test_throttling_is_waited_for_and_each_attempt_counts(server: Server, guard: Guard) -> None:
    throttled = (400, {"x-amzn-ErrorType": "ThrottlingException"}, b'{"__type": "ThrottlingException"}')
    server.answers += [throttled, throttled]

    aws_client("secretsmanager", server, guard).list_secrets()

    assert len(server.seen) == 3
    assert guard.budget.spent == 3


def test_throttling_that_does_not_end_is_given_up_after_longer_and_longer_waits(
    server: Server, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttled = (400, {"x-amzn-ErrorType": "ThrottlingException"}, b'{"__type": "ThrottlingException"}')
    server.answers += [throttled] * 50
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))

    with pytest.raises(ClientError, match="ThrottlingException"):
        aws_client("secretsmanager", server, guard).list_secrets()

    assert len(server.seen) == 6
    assert all(0 <= wait <= 2**number for number, wait in enumerate(waits))
    assert len(set(waits)) == 5, "the waits have no jitter"


# ---- Kubernetes


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PODS),
        ("PATCH", f"{PODS}/one"),
        ("PUT", f"{PODS}/one"),
        ("DELETE", f"{PODS}/one"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ("GET", f"{PODS}/one/exec?command=ls"),
        ("GET", f"{PODS}/one/attach"),
        ("GET", f"{PODS}/one/portforward"),
        ("GET", f"{PODS}/one/proxy/admin"),
        ("GET", "/api/v1/nodes/one/proxy/run"),
        ("GET", "/api/v1/namespaces/default/services/one/proxy"),
        ("GET", "/debug/pprof/heap"),
    ],
)
def test_a_request_that_changes_something_never_reaches_the_cluster(
    server: Server, guard: Guard, method: str, path: str
) -> None:
    with pytest.raises(ForbiddenCallError, match=f"Kubernetes {method} "):
        Cluster(cluster_client(server, guard)).call(method, path)

    assert not server.seen


@pytest.mark.parametrize(
    "path",
    [
        "/version",
        "/api/v1",
        "/apis/apps/v1",
        "/api/v1/namespaces/mita-production",
        PODS,
        f"{PODS}?limit=500",
        f"{PODS}/one",
        f"{PODS}/one/log",
        "/apis/external-secrets.io/v1beta1/namespaces/mita-production/externalsecrets/one",
    ],
)
def test_a_request_that_reads_reaches_it(server: Server, guard: Guard, path: str) -> None:
    Cluster(cluster_client(server, guard)).call("GET", path)

    assert server.seen == [f"GET {path}"]


def test_a_command_in_a_container_is_refused(server: Server, guard: Guard) -> None:
    pods = CoreV1Api(cluster_client(server, guard))

    with pytest.raises(ForbiddenCallError, match="Kubernetes stream"):
        stream(pods.connect_get_namespaced_pod_exec, "one", "mita-production", command=["ls"])

    assert not server.seen


def test_an_api_server_that_has_too_much_to_do_is_asked_again(server: Server, guard: Guard) -> None:
    server.answers += [(429, {"Retry-After": "0"}, b"{}")] * 2

    Cluster(cluster_client(server, guard)).call("GET", "/version")

    assert server.seen == ["GET /version"] * 3


def test_but_not_for_ever(server: Server, guard: Guard) -> None:
    server.answers += [(429, {"Retry-After": "0"}, b"{}")] * 50

    with pytest.raises(ClusterError, match="HTTP 429"):
        Cluster(cluster_client(server, guard)).call("GET", "/version")

    assert len(server.seen) == 6


# ---- any library


def _posted(server: Server, path: str) -> Callable[[], object]:
    return lambda: urllib3.request("POST", server.url + path, json={"test": True}, retries=False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_request_of_any_library_that_changes_something_is_kept_back(
    server: Server, armed: Guard, method: str
) -> None:
    armed.application = server.url

    with pytest.raises(ForbiddenCallError, match=f"HTTP {method} 127.0.0.1/health"):
        urllib3.request(method, f"{server.url}/health", retries=False)

    assert not server.seen
    assert len(armed.refusals) == 1


def test_the_guides_authentication_test_is_let_through_to_the_application_alone(
    server: Server, armed: Guard
) -> None:
    for application, path in ((None, "/api/auth/test"), (server.url, "/api/auth/test/more")):
        armed.application = application
        with pytest.raises(ForbiddenCallError):
            _posted(server, path)()
    assert not server.seen

    armed.application = server.url
    _posted(server, "/api/auth/test")()

    assert server.seen == ["POST /api/auth/test"]


def test_a_client_of_a_steps_own_making_is_kept_back_and_a_guarded_one_is_not(
    server: Server, armed: Guard
) -> None:
    with pytest.raises(HTTPClientError, match="HTTP POST"):
        raw_client("secretsmanager", server).list_secrets()
    assert not server.seen

    aws_client("secretsmanager", server, armed).list_secrets()

    assert server.seen == ["POST ListSecrets"]
    assert armed.budget.spent == 1


def test_a_call_that_was_let_through_opens_the_way_for_no_other(server: Server, armed: Guard) -> None:
    aws_client("secretsmanager", server, armed).list_secrets()

    with pytest.raises(HTTPClientError, match="HTTP POST"):
        raw_client("secretsmanager", server).put_secret_value(SecretId="x", SecretString="y")

    assert server.seen == ["POST ListSecrets"]


def test_a_disarmed_guard_is_no_longer_asked(server: Server, guard: Guard) -> None:
    _posted(server, "/anything")()

    assert server.seen == ["POST /anything"]
    assert not guard.refusals


# ---- budgets


def test_the_requests_of_a_run_are_counted_by_whatever_library(server: Server, armed: Guard) -> None:
    urllib3.request("GET", f"{server.url}/health")
    aws_client("secretsmanager", server, armed).list_secrets()
    Cluster(cluster_client(server, armed)).call("GET", "/version")

    assert armed.budget.spent == len(server.seen) == 3


def test_a_run_that_has_used_up_its_requests_sends_no_more(server: Server) -> None:
    guard = Guard(Budget(seconds=60, requests=2))
    guard.identify()
    client = guarded(raw_client("secretsmanager", server), guard)
    client.list_secrets()
    client.list_secrets()

    with pytest.raises(BudgetError, match="at most 2 requests"):
        client.list_secrets()

    assert len(server.seen) == 2
    assert "at most 2 requests" in guard.refusals[0]


def test_a_run_that_has_used_up_its_time_sends_no_more() -> None:
    now = [0.0]
    budget = Budget(seconds=30, requests=100, clock=lambda: now[0])
    now[0] = 1000.0
    budget.spend("the first, from which time counts")
    now[0] = 1031.0

    with pytest.raises(BudgetError, match="at most 30 s; seen 31 s at another"):
        budget.spend("another")
    budget.close()
    budget.spend("a look at the end")


# ---- Helm


def test_helm_reads_and_does_nothing_else(tmp_path: Path, guard: Guard) -> None:
    real = tmp_path / "real-helm"
    real.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\n')
    real.chmod(0o755)
    (tmp_path / "run").mkdir()
    helm = ReadOnlyHelm(real, tmp_path / "run", guard)

    codes = [
        subprocess.run((helm.path, *arguments), check=False, capture_output=True).returncode
        for arguments in (("status", "mita"), ("uninstall", "mita"), ("version",), ("rollback", "mita"))
    ]

    assert codes == [0, REFUSED, 0, REFUSED]
    assert (tmp_path / "ran").read_text().splitlines() == ["status mita", "version"]
    assert not guard.refusals
    helm.tell()
    assert [text.partition(":")[0] for text in guard.refusals] == ["helm uninstall", "helm rollback"]


def test_a_refusal_that_a_step_swallows_is_remembered(server: Server, guard: Guard) -> None:
    with contextlib.suppress(ForbiddenCallError):
        aws_client("kms", server, guard).schedule_key_deletion(KeyId="x")

    assert [text.partition(": ")[0] for text in guard.refusals] == ["kms:ScheduleKeyDeletion"]
