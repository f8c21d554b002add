"""How each server of the control plane is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from environments.embedded.control_plane.authority import Authority, KeyPair, SigningKey
from environments.embedded.control_plane.configuration import JWKS_PATH
from environments.embedded.control_plane.readiness import Check, HttpsCheck, all_of
from environments.embedded.network import Network
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
FRONT_PROXY = "front-proxy-client"

_API_SERVER_PORT = 6443
_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Etcd:
    """Where etcd answers, and a client certificate that it accepts."""

    url: str
    authority: Path
    client: KeyPair


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServerFiles:
    """Files that the API server is configured with.

    Attributes:
        serving: Its own certificate.
        clients: The authority whose client certificates it accepts.
        kubelet_client: What it shows to kubelets.
        kubelet_authority: Who signs the kubelets' certificates.
        front_proxy: What it shows to aggregated APIs.
        front_proxy_authority: Whose certificates may speak for other users.
        tokens: Signs and verifies service-account tokens.
        encryption: EncryptionConfiguration.
        authentication: AuthenticationConfiguration.
        egress: EgressSelectorConfiguration.
        audit_policy: Audit policy.
        audit_log: Where the audit log goes.
    """

    serving: KeyPair
    clients: Path
    kubelet_client: KeyPair
    kubelet_authority: Path
    front_proxy: KeyPair
    front_proxy_authority: Path
    tokens: SigningKey
    encryption: Path
    authentication: Path
    egress: Path
    audit_policy: Path
    audit_log: Path


def api_server_url(network: Network) -> str:
    """Return the URL of the API server, which is its tokens' issuer as well."""
    return f"https://{network.loopback(Network.API_SERVER)}:{_API_SERVER_PORT}"


def etcd_url(network: Network) -> str:
    """Return the URL of etcd for its clients."""
    return f"https://{network.loopback(Network.ETCD)}:2379"


def etcd(site: Site, authority: Authority, client: KeyPair) -> ProcessSpec:
    """Describe etcd: one member, client certificates wanted, nothing synced to disk.

    A run that loses its machine is not resumed, so its data needs no fsync.
    """
    address = site.network.loopback(Network.ETCD)
    url, peer_url = etcd_url(site.network), f"https://{address}:2380"
    # Its gateway from JSON to gRPC calls etcd itself and shows the server's certificate as a client.
    serving = authority.issue("etcd", addresses=(address,), usage="peer")
    files = {
        "cert-file": serving.certificate,
        "key-file": serving.key,
        "trusted-ca-file": authority.certificate,
    }
    return _spec(
        site,
        ETCD,
        {
            "name": "mita",
            "data-dir": site.run.directory("etcd"),
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peer_url,
            "initial-advertise-peer-urls": peer_url,
            "initial-cluster": f"mita={peer_url}",
            "client-cert-auth": "true",
            "peer-client-cert-auth": "true",
            **files,
            **{f"peer-{name}": path for name, path in files.items()},
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        },
        ready=HttpsCheck(f"{url}/health", authority.certificate, client),
    )


def api_server(site: Site, files: ApiServerFiles, store: Etcd, ready: Check) -> ProcessSpec:
    """Describe the API server: closed to strangers, Secrets encrypted, every access recorded."""
    network = site.network
    url = api_server_url(network)
    return _spec(
        site,
        API_SERVER,
        {
            "bind-address": network.loopback(Network.API_SERVER),
            "secure-port": _API_SERVER_PORT,
            # Recorded as the endpoint of the service `kubernetes`, where loopback is refused.
            "advertise-address": network.recorded(Network.API_SERVER),
            "service-cluster-ip-range": network.services,
            "tls-cert-file": files.serving.certificate,
            "tls-private-key-file": files.serving.key,
            # etcd
            "etcd-servers": store.url,
            "etcd-cafile": store.authority,
            "etcd-certfile": store.client.certificate,
            "etcd-keyfile": store.client.key,
            "encryption-provider-config": files.encryption,
            # who may do what
            "client-ca-file": files.clients,
            "authentication-config": files.authentication,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            # service-account tokens
            "service-account-issuer": url,
            "service-account-jwks-uri": url + JWKS_PATH,
            "service-account-signing-key-file": files.tokens.private,
            "service-account-key-file": files.tokens.public,
            # nodes, webhooks and aggregated APIs
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-certificate-authority": files.kubelet_authority,
            "kubelet-client-certificate": files.kubelet_client.certificate,
            "kubelet-client-key": files.kubelet_client.key,
            "egress-selector-config-file": files.egress,
            "enable-aggregator-routing": "true",
            "proxy-client-cert-file": files.front_proxy.certificate,
            "proxy-client-key-file": files.front_proxy.key,
            "requestheader-client-ca-file": files.front_proxy_authority,
            "requestheader-allowed-names": FRONT_PROXY,
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            # audit
            "audit-policy-file": files.audit_policy,
            "audit-log-path": files.audit_log,
            "audit-log-maxsize": 100,
            "audit-log-maxbackup": 2,
            "shutdown-watch-termination-grace-period": "1s",
            "profiling": "false",
        },
        ready=ready,
    )


def controller_manager(
    site: Site, authority: Authority, *, kubeconfig: Path, token_key: Path, accounts: Check
) -> ProcessSpec:
    """Describe the controller-manager; each controller has its own service account's rights.

    Args:
        site: Where it runs.
        authority: Signs its certificate, and is what pods are told to trust.
        kubeconfig: The API server as ``system:kube-controller-manager``.
        token_key: The key of service-account tokens.
        accounts: Says None when pods can be made: when the default service account is there.
    """
    flags, healthy = _client_of_api_server(site, CONTROLLER_MANAGER, 10257, kubeconfig, authority)
    flags |= {
        "root-ca-file": authority.certificate,
        "service-account-private-key-file": token_key,
        "use-service-account-credentials": "true",
        "service-cluster-ip-range": site.network.services,
    }
    return _spec(site, CONTROLLER_MANAGER, flags, ready=all_of(healthy, accounts))


def scheduler(site: Site, authority: Authority, *, kubeconfig: Path) -> ProcessSpec:
    """Describe the scheduler, which sees the API server as ``system:kube-scheduler``."""
    flags, healthy = _client_of_api_server(site, SCHEDULER, 10259, kubeconfig, authority)
    return _spec(site, SCHEDULER, flags, ready=healthy)


def _client_of_api_server(
    site: Site, name: str, port: int, kubeconfig: Path, authority: Authority
) -> tuple[dict[str, object], Check]:
    address = site.network.loopback(Network.API_SERVER)
    serving = authority.issue(f"{name}-server", addresses=(address,), usage="server")
    flags: dict[str, object] = {
        "kubeconfig": kubeconfig,
        "bind-address": address,
        "secure-port": port,
        "tls-cert-file": serving.certificate,
        "tls-private-key-file": serving.key,
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        # There is only one of each.
        "leader-elect": "false",
        "profiling": "false",
    }
    return flags, HttpsCheck(f"https://{address}:{port}/healthz", authority.certificate)


def _spec(site: Site, name: str, flags: dict[str, object], *, ready: Check) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(str(site.tools[name]), *(f"--{flag}={value}" for flag, value in flags.items())),
        environment={},
        directory=site.run.root,
        log=site.run.logs / f"{name}.log",
        ready=ready,
        deadline=_DEADLINE,
    )
