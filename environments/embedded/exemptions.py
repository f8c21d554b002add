"""What the embedded environment declares of itself: connections without TLS that never leave the machine."""

from __future__ import annotations

from functools import cache

from cryptography import x509

from deployer.compliance.waivers import Waiver

_OWNER = "maintainers of the embedded environment"
_SERVED = {
    "tls-aws": "LocalStack",
    "tls-database": "PostgreSQL from PyPI, which is built without TLS,",
    "tls-cache": "Valkey from PyPI, which is built without TLS,",
    "tls-application": "the application's own server, with no load balancer before it,",
}


@cache
def loopback_exemptions(authority: str) -> tuple[Waiver, ...]:
    """Return the exemptions of a running environment.

    Args:
        authority: PEM of its certificate authority; the exemptions end with it, as the environment does.
    """
    end = x509.load_pem_x509_certificate(authority.encode()).not_valid_after_utc.date()
    return tuple(
        Waiver(
            control=control,
            owner=_OWNER,
            reason=f"Loopback only: {server} answers this machine alone, and what it keeps is invented.",
            expires=end,
            loopback_only=True,
        )
        for control, server in _SERVED.items()
    )
