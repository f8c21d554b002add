"""The place that one pod has on this machine: its directories, its address, its containers' view.

pods/UID/volumes/NAME/          one directory a volume
pods/UID/containers/NAME/       working directory and HOME of a container
pods/UID/containers/NAME/tmp/   its TMPDIR
logs/pods/NAMESPACE_NAME_UID/CONTAINER/RESTARTS.log
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from environments.embedded.node.api import Object
from environments.embedded.node.downward import Surroundings
from environments.embedded.node.environment_variables import compose
from environments.embedded.node.handlers import Launch
from environments.embedded.node.images import Image
from environments.embedded.node.referents import Lookup
from environments.embedded.node.rewriting import Rewriter
from environments.embedded.node.volumes import mount_paths, token_file
from environments.embedded.processes.sweep import RUN_VARIABLE
from environments.embedded.run_directory import RunDirectory, replace_file

TERMINATION_PATH = "/dev/termination-log"
_LOGS_KEPT = 2
_TERMINATION_BYTES = 4096
_FALLBACK_BYTES = 2048


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """How clients inside pods reach the API server.

    Attributes:
        url: Its URL.
        authority: PEM of the authority behind its certificate.
        run_id: What every process of the run carries as ``MITA_RUN``.
    """

    url: str
    authority: Path
    run_id: str


class Sandbox:
    """One pod's place.

    Args:
        run: The run that it lies in.
        pod: The pod as it is when the node gets it.
        surroundings: The bound addresses, and the node's resources.
        access: How its clients reach the API server.

    Attributes:
        volumes: Directory of its volumes.
    """

    def __init__(
        self, run: RunDirectory, pod: Object, surroundings: Surroundings, access: ClusterAccess
    ) -> None:
        metadata = pod["metadata"]
        self.surroundings = surroundings
        self._access = access
        self._root = run.directory("pods", metadata["uid"])
        self.volumes = run.directory("pods", metadata["uid"], "volumes")
        self._containers = run.directory("pods", metadata["uid"], "containers")
        self._logs = run.directory(
            "logs", "pods", f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"
        )

    def prepare(self, spec: Object) -> None:
        """Make the directories of volumes and containers."""
        for volume in spec.get("volumes", []):
            (self.volumes / volume["name"]).mkdir(mode=0o700, exist_ok=True)
        own = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            self.directory(container["name"]).joinpath("tmp").mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._logs / container["name"]).mkdir(mode=0o700, exist_ok=True)
            for mount in container.get("volumeMounts", []):
                if mount.get("subPath") and mount["name"] in own:
                    (self.volumes / mount["name"] / mount["subPath"]).mkdir(parents=True, exist_ok=True)

    def directory(self, container: str) -> Path:
        """Return a container's own directory."""
        return self._containers / container

    def log(self, container: str, restarts: int) -> Path:
        """Return the log of one instance of a container."""
        return self._logs / container / f"{restarts}.log"

    def forget_log(self, container: str, restarts: int) -> None:
        """Remove the log that is too old once an instance starts."""
        self.log(container, restarts - _LOGS_KEPT).unlink(missing_ok=True)

    def launch(
        self, container: Object, pod: Object, image: Image, services: Mapping[str, str], lookup: Lookup
    ) -> Launch:
        """Say how a container's program is started now.

        Raises:
            MissingReferentError: A variable refers to what is not there.
            LookupError: A variable refers to a field or resource that is not known.
        """
        variables = compose(
            container,
            pod,
            image=image.environment,
            services=services,
            lookup=lookup,
            surroundings=self.surroundings,
        )
        for name, value in self._provided(container, pod, image).items():
            if name not in variables.own:
                variables.add_opaque(name, value)
        # The sweep of a dead run knows its processes by it.
        variables.add_opaque(RUN_VARIABLE, self._access.run_id)
        rewrite = self._rewriter(container)
        command = variables.expanded(container.get("command", []), rewrite)
        args = variables.expanded(container.get("args", []), rewrite)
        return Launch(
            argv=tuple(image.argv(command, args)),
            environment=variables.environment(rewrite),
            directory=self._working_directory(container, rewrite),
            rewrite=rewrite,
            address=self.surroundings.pod_address,
            ports={
                port["name"]: port["containerPort"] for port in container.get("ports", []) if "name" in port
            },
        )

    def last_words(self, container: Object, code: int, log: Path) -> str:
        """Return the termination message that an ended instance left, and make room for the next one's."""
        file = self._termination_file(container)
        text = _tail(file, _TERMINATION_BYTES)
        file.unlink(missing_ok=True)
        fallback = container.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        return text or (_tail(log, _FALLBACK_BYTES) if fallback and code != 0 else "")

    def remove(self) -> None:
        """Remove everything but the logs."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _provided(self, container: Object, pod: Object, image: Image) -> dict[str, str]:
        """Return the variables that stand for what an image's file system and network would be."""
        directory = self.directory(container["name"])
        provided = {
            "PATH": image.path,
            "HOME": str(directory),
            "TMPDIR": str(directory / "tmp"),
            "HOSTNAME": pod["spec"].get("hostname") or pod["metadata"]["name"],
        }
        token = token_file(pod["spec"], container, self.volumes)
        if token is not None:
            provided["KUBECONFIG"] = str(self._kubeconfig(directory, token, pod["metadata"]["namespace"]))
        return provided

    def _kubeconfig(self, directory: Path, token: Path, namespace: str) -> Path:
        """Write the kubeconfig with which clients inside the pod are its service account.

        They would look for the token under a fixed path of their container's file system.
        """
        cluster = {"server": self._access.url, "certificate-authority": str(self._access.authority)}
        context = {"cluster": "pod", "user": "pod", "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "pod",
            "clusters": [{"name": "pod", "cluster": cluster}],
            "users": [{"name": "pod", "user": {"tokenFile": str(token)}}],
            "contexts": [{"name": "pod", "context": context}],
        }
        path = directory / "kubeconfig"
        replace_file(path, yaml.safe_dump(document).encode(), 0o600)
        return path

    def _rewriter(self, container: Object) -> Rewriter:
        paths = mount_paths(container, self.volumes)
        message = container.get("terminationMessagePath") or TERMINATION_PATH
        return Rewriter(
            {**paths, message: str(self._termination_file(container))}, self.surroundings.pod_address
        )

    def _termination_file(self, container: Object) -> Path:
        return self.directory(container["name"]) / "termination-message"

    def _working_directory(self, container: Object, rewrite: Rewriter) -> Path:
        """Return `workingDir` where it lies in a volume, otherwise the container's own directory."""
        wanted = rewrite(container.get("workingDir", ""))
        inside = wanted.startswith(f"{self.volumes}/")
        return Path(wanted) if inside else self.directory(container["name"])


def _tail(file: Path, size: int) -> str:
    try:
        with file.open("rb") as content:
            content.seek(max(file.stat().st_size - size, 0))
            return content.read(size).decode(errors="replace")
    except OSError:
        return ""
