"""What is demanded of every connection that secrets travel on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from deployer.compliance.catalogue import Limits
from deployer.compliance.checks.verdict import Check, Verdict, Violation, known
from deployer.compliance.facts import Facts, Hop

NAMES = ("tls-api-server", "tls-webhook", "tls-aws", "tls-database", "tls-cache", "tls-application")
_OLD = {"SSLv3", "TLSv1", "TLSv1.1"}


def check(name: str) -> Check:
    """Return the check of one connection."""
    return partial(_check, name)


def _check(name: str, facts: Facts, limits: Limits) -> Verdict:
    hop = known(facts.hops[name])
    until = f", certificate good until {hop.certificate.not_after:%Y-%m-%d}" if hop.certificate else ""
    return Verdict(
        f"{hop.address}: {hop.protocol or 'no TLS'}{until}",
        tuple(
            # A server that means to speak TLS is judged like any other, wherever it is.
            Violation(hop.address, seen, local=hop.local and hop.protocol is None)
            for seen in _faults(hop, facts, limits)
        ),
    )


def _faults(hop: Hop, facts: Facts, limits: Limits) -> Iterator[str]:
    if hop.protocol is None and hop.untrusted is None:
        yield "it does not speak TLS"
        return
    if hop.protocol in _OLD:
        yield f"it speaks {hop.protocol}"
    elif hop.old_protocols:
        yield "it also agrees to a version older than TLS 1.2"
    if hop.untrusted is not None:
        yield f"its certificate is not accepted: {hop.untrusted}"
        return
    if hop.certificate is None:
        yield "it shows no certificate"
    elif hop.certificate.not_before > facts.now:
        yield f"its certificate is good only from {hop.certificate.not_before:%Y-%m-%d}"
    elif hop.certificate.not_after - facts.now < timedelta(days=limits.certificate_days):
        yield f"its certificate ends on {hop.certificate.not_after:%Y-%m-%d}"
