"""What is checked before anything is deployed."""

from __future__ import annotations

import copy
import dataclasses
import socket
from pathlib import Path

from kubernetes.client import ApiClient
from pytest_bdd import given, then, when

from deployer.cluster import Resource
from deployer.health import unhealthy
from deployer.helm import Helm
from steps.parameters import phrase
from steps.system import Candidate, System

OPERATORS_API = "external-secrets.io/v1beta1"
_OTHER_ACCOUNT = "999999999999"


@when("the tools are checked", target_fixture="helm_version")
def _tools_checked(system: System) -> tuple[int, ...]:
    connections = system.connections
    context = connections.cluster.context
    return Helm(connections.helm, kubeconfig=connections.kubeconfig, context=context).version()


@then(phrase("Helm is there in version {wanted:Version} or later"))
def _helm_is_there(system: System, helm_version: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert helm_version >= wanted
    lacks = [r.lack for r in system.deployment().preflight() if r.check == "helm"]
    assert lacks == [None]


@given("a Helm that is too old", target_fixture="candidate")
def _old_helm(system: System, tmp_path: Path) -> Candidate:
    return system.candidate.to(helm=_program(tmp_path, "echo v3.11.3"))


@given("a Helm that tells no version", target_fixture="candidate")
def _silent_helm(system: System, tmp_path: Path) -> Candidate:
    return system.candidate.to(helm=_program(tmp_path, "exit 1"))


@given("a Helm that is not there", target_fixture="candidate")
def _no_helm(system: System, tmp_path: Path) -> Candidate:
    return system.candidate.to(helm=tmp_path / "helm")


def _program(directory: Path, command: str) -> Path:
    """Write a program that stands where Helm should."""
    program = directory / "helm"
    program.write_text(f"#!/bin/sh\n{command}\n")
    program.chmod(0o755)
    return program


@when("the identity is checked", target_fixture="account")
def _identity_checked(system: System) -> str:
    account: str = system.aws("sts").get_caller_identity()["Account"]
    return account


@then("the credentials belong to the configured AWS account")
def _configured_account(system: System, account: str) -> None:
    assert account == system.connections.account
    assert _lack(system, "aws-account") is None


@then("the Kubernetes context leads to the configured cluster")
def _configured_cluster(system: System) -> None:
    assert system.connections.cluster.name == system.desired.cluster
    assert _lack(system, "kubernetes-context") is None


def _lack(system: System, check: str) -> str | None:
    (result,) = (each for each in system.deployment().preflight() if each.check == check)
    return None if result.lack is None else str(result.lack)


@given("a configuration that names another AWS account", target_fixture="candidate")
def _another_account(system: System) -> Candidate:
    return system.candidate.to(account=_OTHER_ACCOUNT)


@given("a configuration that names another AWS region", target_fixture="candidate")
def _another_region(system: System) -> Candidate:
    return system.candidate.to(region="eu-central-1")


@given("a configuration that names another Kubernetes context", target_fixture="candidate")
def _another_context(system: System) -> Candidate:
    cluster = dataclasses.replace(system.connections.cluster, context="mita-staging")
    return system.candidate.to(cluster=cluster)


@given("a configuration that names another Kubernetes cluster", target_fixture="candidate")
def _another_cluster(system: System) -> Candidate:
    cluster = dataclasses.replace(system.connections.cluster, name="mita-staging")
    return system.candidate.to(cluster=cluster)


@given("a cluster that does not answer", target_fixture="candidate")
def _silent_cluster(system: System, tmp_path: Path) -> Candidate:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # nobody listens there any more once it is closed
    configuration = copy.copy(system.connections.kubernetes.configuration)
    kubeconfig = tmp_path / "kubeconfig"
    written = system.connections.kubeconfig.read_text(encoding="utf-8")
    kubeconfig.write_text(written.replace(configuration.host, f"https://127.0.0.1:{port}"))
    configuration.host = f"https://127.0.0.1:{port}"
    configuration.retries = False
    return system.candidate.to(kubernetes=ApiClient(configuration), kubeconfig=kubeconfig)


@when("the cluster is asked for the operator's resource types", target_fixture="resource_types")
def _resource_types_asked(system: System) -> dict[str, Resource | None]:
    kinds = ("ExternalSecret", "SecretStore", "ClusterSecretStore")
    return {kind: system.cluster.resource(OPERATORS_API, kind) for kind in kinds}


@then("it serves external secrets and both kinds of secret stores")
def _resource_types_served(system: System, resource_types: dict[str, Resource | None]) -> None:
    missing = [kind for kind, resource in resource_types.items() if resource is None]
    assert not missing, f"not served: {', '.join(missing)}"
    for kind in resource_types:
        system.cluster.list(OPERATORS_API, kind)


@when("Prometheus is asked whether it is ready", target_fixture="fault")
def _prometheus_asked(system: System) -> str | None:
    base = system.connections.endpoints.prometheus
    assert base is not None, "the environment has Prometheus but does not say where"
    return unhealthy(f"{base}/-/ready")


@when("Grafana is asked whether it is ready", target_fixture="fault")
def _grafana_asked(system: System) -> str | None:
    base = system.connections.endpoints.grafana
    assert base is not None, "the environment has Grafana but does not say where"
    return unhealthy(f"{base}/api/health")


@then("it answers that it is")
def _it_is_ready(fault: str | None) -> None:
    assert fault is None, fault
