"""Making a kind environment: cluster first, then what its pods need."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client import ApiClient
from pydantic import SecretStr

from deployer.connections import ClusterIdentity
from deployer.eventually import eventually
from deployer.failures import explained
from deployer.files import replace_atomically
from deployer.progress import Progress, Step
from environments.administrator import cluster_client
from environments.certificates import Issuer
from environments.embedded.aws.localstack import described
from environments.embedded.control_plane.configuration import CONTEXT, issuer_discovery_binding
from environments.kind.access import Access
from environments.kind.cluster import KindCluster
from environments.kind.images import NODE, PODS
from environments.kind.monitoring import admit, prepare
from environments.kind.offline.builder import Image
from environments.kind.servers import CLUSTER_FILE, Servers

CLUSTER = "mita-production"
"""The cluster's name in the guide, by which AWS knows it."""

_AUTHORITY = "/etc/kubernetes/pki/ca.crt"
_AUTHORITY_KEY = "/etc/kubernetes/pki/ca.key"
ETCD = "etcd"
"""In the environment's directory: the certificates with which etcd is read."""
ETCD_PORT = 2379

_ETCD_FILES = {
    "ca.crt": "/etc/kubernetes/pki/etcd/ca.crt",
    "client.crt": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
    "client.key": "/etc/kubernetes/pki/apiserver-etcd-client.key",
}
_VERSION = "1.34"
_READY_SECONDS = 120.0
_CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"


def make(
    cluster: KindCluster, servers: Servers, images: Mapping[str, Image], home: Path, progress: Progress
) -> Access:
    """Make an environment in a directory that is new.

    Raises:
        MitaError: Something of it does not become ready; whoever called clears away what is there.
    """
    cluster.require_free()
    home.mkdir(mode=0o700)
    cluster.make_network()
    with _timed("kind cluster", progress):
        cluster.create(images[NODE].reference)
    with _timed("images of pods", progress):
        for name in PODS:
            cluster.load(images[name].archive)
    authority = cluster.read_file(_AUTHORITY)
    (home / ETCD).mkdir()
    for name, file in _ETCD_FILES.items():
        replace_atomically(home / ETCD / name, cluster.read_file(file))
    with _timed("LocalStack, PostgreSQL and Redis", progress):
        aws = servers.start_aws(images["localstack"].reference)
        # Its certificate is in every namespace: pods verify the servers by it.
        issuer = Issuer.read(authority, cluster.read_file(_AUTHORITY_KEY))
        database = servers.start_database(images["postgresql"].reference, issuer)
        cache = servers.start_cache(images["redis"].reference, issuer)
    with _timed("issuer of tokens", progress), explained(f"kind cluster {cluster.name}"):
        _open(cluster)
    with _timed("Prometheus and Alertmanager", progress):
        with explained(f"kind cluster {cluster.name}"):
            admit(cluster_client(cluster.kubeconfig))
        monitoring = prepare(
            home / "monitoring", host=cluster.address, api_server=cluster.issuer, issuer=issuer
        )
        servers.start_monitoring(images["monitoring"].reference, monitoring, cluster.control_plane.name)
    told = described(ClusterIdentity(CLUSTER, CONTEXT, cluster.issuer, authority), version=_VERSION)
    (home / CLUSTER_FILE).write_text(told.model_dump_json(), encoding="utf-8")
    return Access(
        began=time.time(),
        node=cluster.address,
        network=cluster.network,
        issuer=cluster.issuer,
        certificate_authority=authority,
        aws_url=aws.url,
        aws_access_key=aws.access_key,
        aws_secret_key=aws.secret_key,
        database=database,
        cache=cache,
        prometheus=monitoring.prometheus,
        slack_url=SecretStr(monitoring.receivers.slack),
        pagerduty_url=monitoring.receivers.pagerduty,
        pagerduty_key=monitoring.receivers.routing_key,
    )


def _open(cluster: KindCluster) -> None:
    """Wait for the issuer, let AWS read its keys, and let pods run on every node."""
    api = cluster_client(cluster.kubeconfig)
    eventually(
        lambda: _other_issuer(api, cluster.issuer),
        subject="issuer of the cluster's tokens",
        deadline=_READY_SECONDS,
        remedy="Read the API server's log in the node.",
        retry=(Exception,),  # it restarts meanwhile
    )
    rights: Any = client.RbacAuthorizationV1Api(api)  # it takes plain data as well
    rights.create_cluster_role_binding(issuer_discovery_binding())
    core: Any = client.CoreV1Api(api)
    for node in core.list_node().items:
        kept = [each for each in node.spec.taints or [] if each.key != _CONTROL_PLANE_TAINT]
        core.patch_node(node.metadata.name, {"spec": {"taints": [each.to_dict() for each in kept] or None}})


def _other_issuer(api: ApiClient, wanted: str) -> str | None:
    told = client.WellKnownApi(api).get_service_account_issuer_open_id_configuration(_request_timeout=5)
    return None if wanted in told else f"it is another one: {told}"


@contextmanager
def _timed(subject: str, progress: Progress) -> Iterator[None]:
    progress(Step(subject, "started"))
    began = time.monotonic()
    try:
        yield
    except BaseException as error:
        progress(Step(subject, "failed", type(error).__name__))
        raise
    progress(Step(subject, "done", f"{time.monotonic() - began:.1f} s"))
