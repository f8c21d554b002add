"""A kind cluster that is made of our own images alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.connections import HelmChart
from deployer.desired import read
from deployer.helm import Helm
from deployer.progress import silent
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import Toolchain
from environments.kind.offline.builder import Image
from environments.kind.offline.table import load
from tests.kind.cluster import Cluster

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

_POD = """\
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: default}
spec:
  containers:
    - name: probe
      image: IMAGE
      command: [sleep, infinity]
"""
_BAD_SECRET = """\
apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
metadata: {name: bad, namespace: default}
spec:
  secretStoreRef: {name: none, kind: SecretStore}
  # One of the two contradicts the other.
  target: {creationPolicy: Merge, deletionPolicy: Delete}
  data: [{secretKey: key, remoteRef: {key: key}}]
"""


@pytest.fixture(scope="module")
def probe(cluster: Cluster, images: dict[str, Image]) -> Iterator[Cluster]:
    """A pod in which commands can be run."""
    cluster.kubectl_("apply", "--filename=-", given=_POD.replace("IMAGE", images["kube-proxy"].reference))
    cluster.kubectl_("wait", "--for=condition=Ready", "pod/probe", "--timeout=60s")
    # DNS is on the other node.
    assert cluster.get("pod", "probe")["spec"]["nodeName"].endswith("-worker")
    yield cluster
    cluster.kubectl_("delete", "pod/probe", "--now")


def in_pod(cluster: Cluster, script: str) -> str:
    return cluster.kubectl_("exec", "probe", "--", "bash", "-c", script)


def test_the_nodes_are_ready_and_every_pod_of_the_system_runs(
    cluster: Cluster, images: dict[str, Image]
) -> None:
    nodes = cluster.get("nodes")["items"]
    assert [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes] == ["v1.34.4", "v1.34.4"]
    for node in nodes:
        assert {each["type"]: each["status"] for each in node["status"]["conditions"]}["Ready"] == "True"
    cluster.kubectl_(
        *("wait", "--namespace=kube-system", "--for=condition=Ready", "pod", "--all", "--timeout=120s")
    )
    pods = cluster.get("pods", "--namespace=kube-system")["items"]
    running = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    ours = {images[name].reference for name in load().images["node"].images if name != "pause"}
    assert running == ours
    assert [
        pod["metadata"]["name"] for pod in pods if pod["status"]["containerStatuses"][0]["restartCount"]
    ] == []


def test_a_name_of_the_cluster_is_resolved_inside_a_pod(probe: Cluster) -> None:
    address = probe.get("service", "kubernetes")["spec"]["clusterIP"]
    assert in_pod(probe, "getent ahostsv4 kubernetes.default.svc.cluster.local").split()[0] == address


def test_a_service_answers_inside_a_pod_by_its_cluster_address(probe: Cluster) -> None:
    address = probe.get("service", "kube-dns", "--namespace=kube-system")["spec"]["clusterIP"]
    answer = in_pod(
        probe, f"exec 3<>/dev/tcp/{address}/9153 && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
    )
    assert answer.startswith("HTTP/1.0 200 OK")
    assert "coredns_build_info" in answer


def test_the_operator_runs_from_its_chart_and_refuses_what_is_wrong(
    loaded_operator: Path, cluster: Cluster, images: dict[str, Image]
) -> None:
    tools = Toolchain(cache_directory()).ensure(silent, ["helm", "operator_chart"])
    release = next(release for release in read().releases if release.chart == "operator")
    helm = Helm(tools["helm"], kubeconfig=loaded_operator, context=f"kind-{cluster.name}")
    helm.upgrade(
        release.name,
        release.namespace,
        HelmChart(str(tools.operator_chart)),
        release.values,
        description="test",
        timeout=180,
    )
    pods = cluster.get("pods", f"--namespace={release.namespace}")["items"]
    assert len(pods) == 3
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {images["external-secrets"].reference}
    with pytest.raises(AssertionError, match="denied the request"):
        cluster.kubectl_("apply", "--dry-run=server", "--filename=-", given=_BAD_SECRET)
