"""What is demanded of the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from deployer.compliance.catalogue import Limits
from deployer.compliance.checks.verdict import Verdict, Violation, known, require
from deployer.compliance.facts import Facts, Suspect


def secrets_at_rest(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that the store keeps no Secret in plain."""
    store = known(facts.store)
    if store.records is None:
        if store.envelope is not None and "secrets" in store.envelope:
            return Verdict("the cluster's service encrypts secrets with a key of KMS")
        return Verdict("asked the cluster's service", (Violation("cluster", "it does not encrypt secrets"),))
    require(met=bool(store.records), where="the cluster's store", reason="no Secret is kept there")
    plain = sorted(name for name, provider in store.records.items() if provider is None)
    providers = ", ".join(sorted({provider for provider in store.records.values() if provider}))
    return Verdict(
        f"{len(store.records)} Secrets read as they are stored, encrypted by {providers or 'nobody'}",
        tuple(Violation(f"secret {name} in the store", "it is kept in plain") for name in plain),
    )


def pod_literals(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that pods get secrets by file or reference."""
    workloads = known(facts.workloads)
    require(met=workloads.containers > 0, where="pods", reason="nothing runs")
    return Verdict(f"{workloads.containers} containers examined", suspicious(workloads.literals))


def config_maps(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that ConfigMaps hold none."""
    return Verdict("every entry examined", suspicious(known(facts.workloads).config_maps))


def suspicious(suspects: Iterable[Suspect]) -> tuple[Violation, ...]:
    """Return a violation for each suspect: what it looks like and its fingerprint, never its text."""
    return tuple(
        Violation(each.place, f"text that looks like a secret ({each.kind}, fingerprint {each.fingerprint})")
        for each in suspects
    )


def secret_readers(facts: Facts, limits: Limits) -> Verdict:
    """Demand that nobody else reads Secrets."""
    readers = known(facts.readers)
    require(met=bool(readers), where="the cluster's roles", reason="nobody at all may read Secrets")
    return Verdict(
        f"{len({reader.subject for reader in readers})} subjects may read Secrets",
        tuple(
            Violation(reader.subject, f"{reader.binding} lets it read Secrets")
            for reader in readers
            if reader.subject not in (*limits.expected_readers, *facts.administrators)
        ),
    )


def service_account_tokens(facts: Facts, limits: Limits) -> Verdict:
    """Demand short-lived tokens with an audience."""
    workloads = known(facts.workloads)
    found = [Violation(name, "it holds a token without an end") for name in workloads.lasting_tokens]
    for token in workloads.tokens:
        if token.seconds > limits.token_seconds:
            seen = f"its token lives {token.seconds} s, not {limits.token_seconds} s"
            found.append(Violation(token.place, seen))
        if token.audience not in limits.token_audiences:
            found.append(Violation(token.place, f"its token is for {token.audience}"))
    return Verdict(f"{len(workloads.tokens)} mounted tokens examined", tuple(found))


def audit_trail(facts: Facts, limits: Limits) -> Verdict:
    """Demand recent records."""
    newest = known(facts.cluster_trail).newest
    if newest is None or facts.now - newest > timedelta(hours=limits.trail_hours):
        seen = f"no use of a Secret is recorded in the last {limits.trail_hours} hours"
        return Verdict("asked for uses of Secrets", (Violation("cluster's audit log", seen),))
    return Verdict(f"newest record of a use: {newest:%Y-%m-%d %H:%M:%S} UTC")
