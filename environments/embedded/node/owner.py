"""What a container needs of its pod."""

from __future__ import annotations

from typing import Protocol

import aiohttp

from environments.embedded.node.api import Object
from environments.embedded.node.events import EventKind
from environments.embedded.node.handlers import Launch
from environments.embedded.node.pulse import Pulse
from environments.embedded.node.sandbox import Sandbox
from environments.embedded.node.timing import Timing


class Owner(Protocol):
    """The pod as its containers see it.

    Attributes:
        object: The pod as the API has it now.
        sandbox: Its place on this machine.
        timing: The node's times.
        http: Session for the requests of probes and hooks.
        referents_changed: Beats when a ConfigMap or Secret that it refers to changed.
    """

    object: Object
    sandbox: Sandbox
    timing: Timing
    http: aiohttp.ClientSession
    referents_changed: Pulse

    def launch(self, container: Object) -> Launch:
        """Say how a container's program is started now.

        Raises:
            LookupError: A variable refers to what is not there (yet).
        """

    def changed(self) -> None:
        """Have the pod's status reported."""

    def event(self, kind: EventKind, reason: str, message: str, container: str = "") -> None:
        """Record an event about the pod or one of its containers."""
