"""A place in which nothing answers is described as such, never guessed at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from kubernetes.client import ApiClient, Configuration
from pydantic import SecretStr

from deployer.compliance.catalogue import load
from deployer.compliance.facts import Sources, Unknown
from deployer.compliance.gathering import Gathering
from deployer.compliance.insight import Insight
from deployer.compliance.judging import judge, status
from deployer.compliance.report import ComplianceStatus, Outcome
from deployer.compliance.validation import validate
from deployer.connections import ClusterIdentity, Connections, Endpoints, HelmChart, ServerLogin
from deployer.desired import read
from deployer.errors import ConfigurationError, NotReadyError

CATALOGUE = load()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that is taken and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def unreachable(port: int, **changes: Any) -> Connections:  # noqa: ANN401  any attribute of the connections
    def client(service: str) -> Any:  # noqa: ANN401  boto3 clients have no common type
        return boto3.client(
            service,  # type: ignore[call-overload]  # any of the services
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )

    configuration = Configuration()
    configuration.host = f"https://127.0.0.1:{port}"
    configuration.retries = False
    login = ServerLogin("127.0.0.1", port, "admin", SecretStr("unused"))
    given: dict[str, Any] = {
        "database": login,
        "cache": login,
        "endpoints": Endpoints(application=f"http://127.0.0.1:{port}"),
    }
    return Connections(
        account="111122223333",
        region="us-east-1",
        aws=client,
        kubernetes=ApiClient(configuration),
        kubeconfig=Path("none"),
        cluster=ClusterIdentity("mita-production", "mita-production", "https://issuer", ""),
        helm=Path("helm"),
        operator_chart=HelmChart("chart"),
        **(given | changes),
    )


def test_every_place_that_does_not_answer_is_named_with_its_address(silent: int, tmp_path: Path) -> None:
    facts = Gathering(unreachable(silent), read(), CATALOGUE.limits, (tmp_path,)).facts()
    asked = {
        name: getattr(facts, name)
        for name in ("key", "secrets", "store", "workloads", "readers", "cloud_trail", "cluster_trail")
    } | dict(facts.hops)
    for name, fact in asked.items():
        assert isinstance(fact, Unknown), f"{name} is known although nobody answered"
    named = [fact.where for name, fact in asked.items() if name not in {"store", "cluster_trail"}]
    assert all(f":{silent}" in where or "webhook" in where for where in named), named
    assert facts.sources == Sources(0, ())


def test_nothing_that_answers_is_incomplete(silent: int) -> None:
    report = validate(unreachable(silent), read(), environment="nowhere", catalogue=CATALOGUE)
    assert report.compliance_status is ComplianceStatus.INCOMPLETE
    assert {result.control for result in report.of(Outcome.PASSED)} == {
        "hardcoded-secrets",
        "waivers-current",
    }
    assert not report.of(Outcome.FAILED)


def test_a_part_without_an_address_is_no_pass(silent: int) -> None:
    connections = unreachable(silent, database=None, cache=None, endpoints=Endpoints())
    facts = Gathering(connections, read(), CATALOGUE.limits, ()).facts()
    for name in ("tls-database", "tls-cache", "tls-application"):
        assert isinstance(facts.hops[name], Unknown)


def test_a_store_that_can_be_read_needs_no_word_of_the_cloud(silent: int) -> None:
    state = b"/registry/secrets/a/b\nk8s:enc:secretbox:v1:run:"
    insight = Insight(stored_state=lambda: state, audit_log=lambda: b"")
    facts = Gathering(unreachable(silent, insight=insight), read(), CATALOGUE.limits, ()).facts()
    (at_rest,) = (
        result for result in judge(CATALOGUE, facts, ()) if result.control == "cluster-secrets-at-rest"
    )
    assert at_rest.outcome is Outcome.PASSED


def test_a_store_that_cannot_be_read_after_all_is_no_pass(silent: int) -> None:
    def fails() -> bytes:
        raise NotReadyError("etcd", expected="an answer", seen="silence", remedy="See whether it runs.")

    insight = Insight(stored_state=fails)
    facts = Gathering(unreachable(silent, insight=insight), read(), CATALOGUE.limits, ()).facts()
    assert isinstance(facts.store, Unknown)
    assert status(judge(CATALOGUE, facts, ())) is ComplianceStatus.INCOMPLETE


def test_a_source_tree_that_is_not_there_is_refused(silent: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validate(unreachable(silent), read(), environment="nowhere", trees=(tmp_path / "none",))
    assert str(tmp_path / "none") in refused.value.subject
