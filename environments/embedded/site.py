"""What each part of an embedded environment is started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from environments.embedded.network import Network
from environments.embedded.processes import Supervisor
from environments.embedded.run_directory import RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The ground that one embedded environment stands on.

    Attributes:
        run: Its directory.
        network: Its addresses.
        supervisor: The parent of its processes.
        tools: Paths of programs by their names, such as ``kube-apiserver``.
    """

    run: RunDirectory
    network: Network
    supervisor: Supervisor
    tools: Mapping[str, Path]
