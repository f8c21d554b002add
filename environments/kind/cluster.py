"""The kind cluster: its configuration, made and removed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors
import yaml

from deployer.errors import ConfigurationError, NotReadyError, RefusedError
from deployer.files import replace_atomically
from environments.embedded.control_plane.configuration import CONTEXT, audit_policy, encryption
from environments.kind.engine import Engine

CONFIGURATION = Path(__file__).with_name("cluster.yaml")
PORT = 6443
LABEL = "mita.environment"
WORKERS = "MITA_KIND_WORKERS"
"""The variable that says how many workers a new cluster has."""
KUBECONFIG = "kubeconfig"
"""In the environment's directory."""
MOUNTED = "mounted"
"""In the environment's directory: what the control plane's node sees as ``/mita``."""
AUDIT_LOG = "audit/audit.log"
"""In what is mounted."""

_MOUNTED = "/mita"
_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
_OWN_ISSUER = "https://kubernetes.default.svc.cluster.local"
_FEW_PROCESSORS = 4
_MOST_WORKERS = 8
_READY = "180s"


def cluster_name(instance: str) -> str:
    """Return the name of an environment's cluster, and of its network."""
    return f"mita-{instance}"


def workers(processors: int) -> int:
    """Return how many workers a cluster has besides its control plane: as `WORKERS` says, or as it needs.

    Args:
        processors: Of the machine.

    Raises:
        ConfigurationError: The variable is not a small number.
    """
    asked = os.environ.get(WORKERS)
    if asked is None:
        # The application asks for half a processor a pod, one more while it is rolled out.
        return 1 if processors < _FEW_PROCESSORS else 0
    if not (asked.isascii() and asked.isdigit() and int(asked) <= _MOST_WORKERS):
        raise ConfigurationError(
            WORKERS,
            expected=f"a number of workers, from 0 to {_MOST_WORKERS}",
            seen=repr(asked),
            remedy="Correct it, or leave it out.",
        )
    return int(asked)


class KindCluster:
    """The cluster of one environment, on a network of its own.

    Args:
        engine: Where its nodes are containers.
        kind: The program.
        instance: Of the environment.
        home: The environment's directory; the kubeconfig is written there.

    Attributes:
        name: Its name, and that of its network.
        kubeconfig: Of its administrator.
    """

    def __init__(self, engine: Engine, kind: Path, instance: str, home: Path) -> None:
        self.name = cluster_name(instance)
        self.kubeconfig = home / KUBECONFIG
        self._kinds_kubeconfig = home / "kind-kubeconfig"
        self._engine = engine
        self._kind = kind
        self._instance = instance
        self._home = home

    @property
    def is_ours(self) -> bool:
        """Whether this environment made it: then its network bears our label."""
        return bool(self._networks())

    @property
    def control_plane(self) -> Any:  # noqa: ANN401  the client's containers have no types
        """The container of the control plane's node.

        Raises:
            NotReadyError: It is not there.
        """
        try:
            return self._engine.client.containers.get(f"{self.name}-control-plane")
        except docker.errors.NotFound:
            raise NotReadyError(
                f"kind cluster {self.name}",
                expected="its control plane",
                seen="no such container",
                remedy="Make it anew: mita down --environment kind, then mita up --environment kind.",
            ) from None

    def require_free(self) -> None:
        """Make sure that nobody has a cluster of this name.

        Raises:
            RefusedError: Somebody has, and it is not touched.
        """
        taken = self.nodes
        if taken:
            raise RefusedError(
                f"kind cluster {self.name}",
                expected="a name that nobody uses",
                seen=f"{', '.join(each.name for each in taken)}, which this environment did not make",
                remedy="Choose another instance (--environment kind:NAME), or remove that cluster yourself.",
            )

    def make_network(self) -> None:
        """Make the network that nodes and servers share."""
        self._engine.client.networks.create(self.name, driver="bridge", labels={LABEL: self._instance})

    def create(self, node_image: str) -> None:
        """Make the cluster and wait until its nodes are ready.

        Raises:
            NotReadyError: It was not; what kind collected of it is in the environment's directory.
        """
        configuration = self._home / "kind.yaml"
        configuration.write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        arguments = ("--image", node_image, "--config", str(configuration), "--wait", _READY, "--retain")
        try:
            self._run("create", "cluster", *arguments)
        except NotReadyError:
            with contextlib.suppress(NotReadyError):
                self.collect(self._home / "logs")
            raise
        self._name_as_the_guide_does()
        self._issue_under_address()

    def load(self, archive: Path) -> None:
        """Bring an image to every node."""
        self._run("load", "image-archive", str(archive))

    def collect(self, into: Path) -> None:
        """Have kind copy the logs of nodes and pods."""
        self._run("export", "logs", str(into))

    def delete(self) -> None:
        """Remove nodes and network, as far as they are there."""
        if self.nodes:
            self._run("delete", "cluster")
        for network in self._networks():
            network.remove()

    @property
    def address(self) -> str:
        """Address of the control plane's node."""
        networks = self.control_plane.attrs["NetworkSettings"]["Networks"]
        return str(networks[self.name]["IPAddress"])

    @property
    def network(self) -> str:
        """The network of nodes and servers, such as ``172.18.0.0/16``."""
        (network,) = self._networks()
        subnets: list[str] = [each["Subnet"] for each in network.attrs["IPAM"]["Config"]]
        return next(each for each in subnets if ":" not in each)

    @property
    def issuer(self) -> str:
        """Issuer of the service accounts' tokens, as everybody on the machine reaches it."""
        return f"https://{self.address}:{PORT}"

    def read_file(self, path: str) -> str:
        """Read a file of the control plane's node."""
        code, output = self.control_plane.exec_run(["cat", path])
        if code:
            raise NotReadyError(
                f"kind cluster {self.name}", expected=path, seen="no such file", remedy="Make it anew."
            )
        return str(output.decode())

    # ---- made

    def _networks(self) -> list[Any]:
        label = f"{LABEL}={self._instance}"
        found: list[Any] = self._engine.client.networks.list(names=[self.name], filters={"label": label})
        return found

    @property
    def nodes(self) -> list[Any]:
        """The containers of its nodes, whoever made them."""
        label = f"io.x-k8s.kind.cluster={self.name}"
        found: list[Any] = self._engine.client.containers.list(all=True, filters={"label": label})
        return found

    def _configuration(self) -> Mapping[str, Any]:
        mounted = self._home / MOUNTED
        (mounted / AUDIT_LOG).parent.mkdir(parents=True)
        (mounted / "audit-policy.yaml").write_text(audit_policy())
        (mounted / "encryption.yaml").touch(0o600)
        (mounted / "encryption.yaml").write_text(encryption())
        document: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
        document["nodes"][0]["extraMounts"] = [{"hostPath": str(mounted), "containerPath": _MOUNTED}]
        document["nodes"] += [{"role": "worker"} for _ in range(workers(self._engine.processors))]
        server = {
            "extraArgs": {
                "audit-policy-file": f"{_MOUNTED}/audit-policy.yaml",
                "audit-log-path": f"{_MOUNTED}/{AUDIT_LOG}",
                "encryption-provider-config": f"{_MOUNTED}/encryption.yaml",
            },
            "extraVolumes": [{"name": "mita", "hostPath": _MOUNTED, "mountPath": _MOUNTED}],
        }
        patch = {"kind": "ClusterConfiguration", "apiServer": server}
        document["kubeadmConfigPatches"].append(yaml.safe_dump(patch))
        return document

    def _name_as_the_guide_does(self) -> None:
        """Write the kubeconfig under the guide's names, which a deployment compares."""
        document = yaml.safe_load(self._kinds_kubeconfig.read_text(encoding="utf-8"))
        for each in (*document["clusters"], *document["contexts"]):
            each["name"] = CONTEXT
        document["contexts"][0]["context"]["cluster"] = document["current-context"] = CONTEXT
        replace_atomically(self.kubeconfig, yaml.safe_dump(document, sort_keys=False))

    def _issue_under_address(self) -> None:
        """Name the issuer by the node's address, unknown before; tokens made until now stay valid."""
        manifest = yaml.safe_load(self.read_file(_MANIFEST))
        (container,) = manifest["spec"]["containers"]
        option = "--service-account-issuer="
        others = [each for each in container["command"] if not each.startswith(option)]
        container["command"] = [*others, option + self.issuer, option + _OWN_ISSUER]
        # As one step: the kubelet looks at the file all the time.
        script = f"cat >/root/api-server && mv /root/api-server {_MANIFEST}"
        self._exec_with_input(["sh", "-c", script], yaml.safe_dump(manifest))

    def _exec_with_input(self, command: list[str], text: str) -> None:
        done = subprocess.run(
            ["docker", "exec", "-i", str(self.control_plane.id), *command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failed(" ".join(command), done.stderr)

    def _run(self, *arguments: str) -> None:
        # kind tells of every step on the other stream; who waits is told by the environment.
        done = subprocess.run(
            [str(self._kind), *arguments, "--name", self.name, *self._options(arguments[0])],
            env={**os.environ, "KIND_EXPERIMENTAL_DOCKER_NETWORK": self.name},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise self._failed(f"kind {arguments[0]}", done.stderr)

    def _options(self, command: str) -> list[str]:
        return ["--kubeconfig", str(self._kinds_kubeconfig)] if command in ("create", "delete") else []

    def _failed(self, what: str, output: str) -> NotReadyError:
        last = "; ".join(line.strip() for line in output.strip().splitlines()[-4:])
        return NotReadyError(
            f"kind cluster {self.name}",
            expected=f"`{what}` to succeed",
            seen=last or "no word of why it did not",
            remedy=f"Read the logs in {self._home / 'logs'}, if it came so far; then try again.",
        )
