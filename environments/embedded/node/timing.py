"""The node's times, in one place so that tests can shorten them."""

from __future__ import annotations

from dataclasses import dataclass

from environments.embedded.node.tokens import REFRESH_FRACTION


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds.

    Attributes:
        backoff_base: First delay of a container that keeps ending.
        backoff_longest: Its longest delay.
        token_refresh: After which part of its life a service-account token is renewed.
        lease_renewal: How often the node says that it lives.
        eager_probe: First pause of the extra questions of startup and readiness probes; None
            for none, as the kubelet.
    """

    backoff_base: float = 10.0
    backoff_longest: float = 300.0
    token_refresh: float = REFRESH_FRACTION
    lease_renewal: float = 10.0
    eager_probe: float | None = 0.1
