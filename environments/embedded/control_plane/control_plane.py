"""etcd, API server, controller-manager and scheduler of one environment."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Coroutine, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from deployer.errors import NotReadyError
from environments.embedded.control_plane import configuration, servers
from environments.embedded.control_plane.authority import Authority, SigningKey
from environments.embedded.control_plane.readiness import HttpsCheck, all_of
from environments.embedded.network import Network
from environments.embedded.node.api import Api
from environments.embedded.processes import ProcessSpec
from environments.embedded.site import Site


class ControlPlane:
    """A Kubernetes control plane that serves; made by `ControlPlane.start`.

    Attributes:
        url: Base URL of the API server.
        oidc_issuer: Issuer of service-account tokens; its discovery document may be read by anyone.
        authority: Signs the certificates of servers, nodes and users.
        etcd: Where its state is kept, for those who want to see the bytes.
        kubelet_client_ca: Signs what the API server, and nobody else, shows to nodes.
        admin_kubeconfig: A kubeconfig of a user in ``system:masters``.
        audit_log: The API server's audit log, JSON lines.
    """

    SERVERS = (servers.SCHEDULER, servers.CONTROLLER_MANAGER, servers.API_SERVER, servers.ETCD)
    """Names of its processes, in the order in which they are stopped."""

    def __init__(self, site: Site) -> None:
        """Make keys, certificates and configuration, without starting anything.

        Raises:
            ConfigurationError: The run directory cannot be written to.
        """
        self._site = site
        run = site.run
        self.url = self.oidc_issuer = servers.api_server_url(site.network)
        self.authority = Authority(run, "kubernetes")
        # Authorities of their own, so that no user's certificate opens etcd or a node, or speaks for others.
        self._etcd_authority = Authority(run, "etcd")
        self._kubelet_clients = Authority(run, "kubelet-client")
        self._front_proxy = Authority(run, "front-proxy")
        self.kubelet_client_ca = self._kubelet_clients.certificate
        self.etcd = servers.Etcd(
            servers.etcd_url(site.network),
            self._etcd_authority.certificate,
            self._etcd_authority.issue("kube-apiserver"),
        )
        self._tokens = SigningKey.create(run, "service-accounts")
        self.audit_log = run.logs / "audit.log"
        self._administrator = self.authority.issue("mita-administrator", ("system:masters",))
        self.admin_kubeconfig = run.write(
            "kubeconfig",
            configuration.kubeconfig(
                self.url, self.authority.certificate, "mita-administrator", self._administrator
            ),
        )

    @classmethod
    async def start(cls, site: Site, egress_socket: Path) -> ControlPlane:
        """Start the four servers and wait until the cluster takes work.

        Args:
            site: Where they run.
            egress_socket: Socket of the proxy that reaches nodes and webhooks; it may come later.

        Raises:
            NotReadyError: A server ended early or was not ready in time; none is left running.
            MissingToolError: A program cannot be started.
            ConfigurationError: The run directory cannot be written to.
        """
        plane = cls(site)
        try:
            await plane._serve(egress_socket)
        except BaseException:
            await plane.stop()
            raise
        return plane

    async def stop(self) -> None:
        """Stop those of the four servers that run.

        Raises:
            NotReadyError: One survives KILL.
        """
        supervisor = self._site.supervisor
        for name in self.SERVERS:
            if name in supervisor.processes:
                await supervisor.stop(name)

    def kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Make a client certificate for a user and a kubeconfig around it.

        Raises:
            ConfigurationError: The run directory cannot be written to.
        """
        pair = self.authority.issue(user, groups)
        return self._site.run.write(
            f"kubeconfigs/{pair.certificate.stem}.yaml",
            configuration.kubeconfig(self.url, self.authority.certificate, user, pair),
        )

    async def _serve(self, egress_socket: Path) -> None:
        start = self._site.supervisor.start
        await _together(
            start(servers.etcd(self._site, self._etcd_authority, self.etcd.client)),
            start(self._api_server(egress_socket)),
        )
        await _together(self._open_issuer(), start(self._controller_manager()), start(self._scheduler()))

    def _api_server(self, egress_socket: Path) -> ProcessSpec:
        run = self._site.run
        address = self._site.network.loopback(Network.API_SERVER)
        # The first address of the services' range is the service `kubernetes`.
        service = str(ipaddress.ip_network(self._site.network.services)[1])
        names = ("localhost", *accumulate(("kubernetes", ".default", ".svc", ".cluster.local")))
        files = servers.ApiServerFiles(
            serving=self.authority.issue(
                servers.API_SERVER,
                names=names,
                addresses=(address, self._site.network.recorded(Network.API_SERVER), service),
                usage="server",
            ),
            clients=self.authority.certificate,
            kubelet_client=self._kubelet_clients.issue("kube-apiserver-kubelet-client"),
            kubelet_authority=self.authority.certificate,
            front_proxy=self._front_proxy.issue(servers.FRONT_PROXY),
            front_proxy_authority=self._front_proxy.certificate,
            tokens=self._tokens,
            encryption=run.write("kube-apiserver/encryption.yaml", configuration.encryption()),
            authentication=run.write("kube-apiserver/authentication.yaml", configuration.authentication()),
            egress=run.write("kube-apiserver/egress.yaml", configuration.egress(egress_socket)),
            audit_policy=run.write("kube-apiserver/audit-policy.yaml", configuration.audit_policy()),
            audit_log=self.audit_log,
        )
        check = self._as_administrator(f"{self.url}/readyz")

        async def ready() -> str | None:
            # Without etcd it would go on trying until its deadline and then seem to be at fault.
            store = self._site.supervisor.processes.get(servers.ETCD)
            if store is not None and store.returncode is not None:
                raise NotReadyError(
                    servers.ETCD,
                    expected="it to keep running while the API server starts",
                    seen=f"it {store.outcome()}; the last lines of its log:\n{store.log_tail()}",
                    remedy=f"Read {store.spec.log}.",
                )
            return await check()

        return servers.api_server(self._site, files, self.etcd, ready)

    def _controller_manager(self) -> ProcessSpec:
        default = f"{self.url}/api/v1/namespaces/default"
        return servers.controller_manager(
            self._site,
            self.authority,
            kubeconfig=self.kubeconfig("system:kube-controller-manager"),
            token_key=self._tokens.private,
            accounts=all_of(
                self._as_administrator(f"{default}/serviceaccounts/default"),
                self._as_administrator(f"{default}/configmaps/kube-root-ca.crt"),
            ),
        )

    def _scheduler(self) -> ProcessSpec:
        kubeconfig = self.kubeconfig("system:kube-scheduler")
        return servers.scheduler(self._site, self.authority, kubeconfig=kubeconfig)

    def _as_administrator(self, url: str) -> HttpsCheck:
        return HttpsCheck(url, self.authority.certificate, self._administrator)

    async def _open_issuer(self) -> None:
        async with Api.from_kubeconfig(self.admin_kubeconfig) as api:
            path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
            await api.create(path, configuration.issuer_discovery_binding())


async def _together(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Run all; the first error ends the others, which unwind, and is raised as it is."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
