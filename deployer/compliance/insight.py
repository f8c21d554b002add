"""What an environment lets the validator see, beyond what clients show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network

from deployer.compliance.waivers import Waiver


@dataclass(frozen=True, slots=True)
class Insight:
    """An environment's own contribution to a validation.

    Attributes:
        stored_state: Returns the bytes of the cluster's store; None where nobody can read them.
        audit_log: Returns the end of the cluster's audit log; None where the cloud's answers count.
        reachable: Turns a pod's address into one that is reached from here; None where there is none.
        exemptions: What the environment declares of itself, with owner, reason and end.
        administrators: Subjects that administer the cluster by the way in which it was made.
        networks: Networks that exist on this machine alone, beside its loopback.
    """

    stored_state: Callable[[], bytes] | None = None
    audit_log: Callable[[], bytes] | None = None
    reachable: Callable[[str], str] | None = None
    exemptions: tuple[Waiver, ...] = ()
    administrators: frozenset[str] = frozenset()
    networks: tuple[IPv4Network, ...] = ()
