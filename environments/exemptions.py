"""What an environment of this machine declares of itself: connections without TLS that never leave it."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509

from deployer.compliance.waivers import Waiver


def local_exemptions(owner: str, servers: Mapping[str, str], authority: str) -> tuple[Waiver, ...]:
    """Return the exemptions of a running environment.

    Args:
        owner: Who answers for them.
        servers: What answers without TLS, by the control that demands it.
        authority: PEM of its certificate authority; the exemptions end with it, as the environment does.
    """
    end = x509.load_pem_x509_certificate(authority.encode()).not_valid_after_utc.date()
    return tuple(
        Waiver(
            control=control,
            owner=owner,
            reason=f"Local only: {server} answers this machine alone, and what it keeps is invented.",
            expires=end,
            local_only=True,
        )
        for control, server in servers.items()
    )
