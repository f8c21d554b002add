"""What is demanded of AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from deployer.compliance.catalogue import Limits
from deployer.compliance.checks.verdict import Verdict, Violation, known
from deployer.compliance.facts import Facts, Key


def _name(key: Key) -> str:
    return f"key {key.arn.rpartition('/')[2]}"


def key_state(facts: Facts, _limits: Limits) -> Verdict:
    """Demand an enabled, symmetric key of our own."""
    key = known(facts.key)
    wanted = {
        "state": (key.state, "Enabled"),
        "manager": (key.manager, "CUSTOMER"),
        "spec": (key.spec, "SYMMETRIC_DEFAULT"),
        "use": (key.usage, "ENCRYPT_DECRYPT"),
    }
    return Verdict(
        f"{_name(key)}: {key.state}, {key.spec}, managed by {key.manager}",
        tuple(
            Violation(_name(key), f"its {what} is {seen} instead of {expected}")
            for what, (seen, expected) in wanted.items()
            if seen != expected
        ),
    )


def key_rotation(facts: Facts, limits: Limits) -> Verdict:
    """Demand rotation, often enough."""
    key, longest = known(facts.key), limits.key_rotation_days
    if key.rotation_days is None:
        return Verdict("rotation is off", (Violation(_name(key), "AWS does not rotate it"),))
    evidence = f"rotated every {key.rotation_days} days"
    late = key.rotation_days > longest
    return Verdict(evidence, (Violation(_name(key), f"{evidence}, not {longest}"),) if late else ())


def key_policy(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that the key's policy lets nobody in whom it does not name."""
    key = known(facts.key)
    strangers = tuple(Violation(_name(key), seen) for seen in opened(key.policy, facts.account))
    return Verdict(f"{len(_statements(key.policy))} statements examined", strangers)


def secrets_on_key(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that all secrets are there and on the key."""
    key, secrets = known(facts.key), known(facts.secrets)
    names = {key.arn, key.arn.rpartition("/")[2]}
    missing = sorted(facts.wanted_secrets - {secret.name for secret in secrets})
    return Verdict(
        f"{len(secrets)} secrets described",
        (
            *(Violation(f"secret {name}", "it does not exist") for name in missing),
            *(
                Violation(f"secret {secret.name}", f"it is encrypted with {secret.key or 'a key of AWS'}")
                for secret in secrets
                if secret.key not in names
            ),
        ),
    )


def secret_age(facts: Facts, limits: Limits) -> Verdict:
    """Demand one current version a secret, a young one, and rotation when it was promised."""
    secrets, longest = known(facts.secrets), timedelta(days=limits.secret_age_days)
    ages = [facts.now - since for secret in secrets for since in secret.current_since]
    found: list[Violation] = []
    for secret in secrets:
        if len(secret.current_since) > 1:
            found.append(
                Violation(f"secret {secret.name}", f"{len(secret.current_since)} versions are current")
            )
        found += (
            Violation(f"secret {secret.name}", f"its value is {(facts.now - since).days} days old")
            for since in secret.current_since
            if facts.now - since > longest
        )
        if secret.rotation_due is not None and facts.now - secret.rotation_due > timedelta(days=1):
            seen = f"it was to be rotated by {secret.rotation_due:%Y-%m-%d}"
            found.append(Violation(f"secret {secret.name}", seen))
        if not secret.current_since and secret.name in facts.wanted_secrets:
            found.append(Violation(f"secret {secret.name}", "it has no current value"))
    oldest = max(ages, default=timedelta())
    return Verdict(f"{len(ages)} values, the oldest of {oldest.days} days", tuple(found))


def secret_policy(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that no resource policy opens a secret."""
    secrets = known(facts.secrets)
    with_policy = [secret for secret in secrets if secret.policy is not None]
    return Verdict(
        f"{len(with_policy)} of {len(secrets)} secrets have a policy of their own",
        tuple(
            Violation(f"secret {secret.name}", seen)
            for secret in with_policy
            for seen in opened(secret.policy or {}, facts.account)
        ),
    )


def audit_trail(facts: Facts, limits: Limits) -> Verdict:
    """Demand recent records of secrets' use."""
    newest = known(facts.cloud_trail).newest
    if newest is None:
        seen = f"no reading of a secret is recorded in the last {limits.trail_hours} hours"
        return Verdict("asked for readings of secrets", (Violation("CloudTrail", seen),))
    return Verdict(f"newest record of a reading: {newest:%Y-%m-%d %H:%M:%S} UTC")


def opened(policy: Mapping[str, Any], account: str) -> Iterator[str]:
    """Say to whom a policy opens what it guards beyond the account."""
    for number, statement in enumerate(_statements(policy), 1):
        if statement.get("Effect") != "Allow":
            continue
        name = f"statement {statement.get('Sid') or number}"
        if "NotPrincipal" in statement:
            yield f"{name} admits everybody but some (NotPrincipal)"
        for principal in _principals(statement.get("Principal")):
            if "*" in principal:
                yield f"{name} admits {principal}"
            elif principal.isdigit() and principal != account:
                yield f"{name} admits account {principal}"
            elif principal.startswith("arn:") and principal.split(":")[4] not in ("", account):
                yield f"{name} admits account {principal.split(':')[4]}"


def _statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements = policy.get("Statement", [])
    return [statements] if isinstance(statements, dict) else list(statements)


def _principals(given: Any) -> Iterator[str]:  # noqa: ANN401  a name, or names by kind
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping):
        for kind, names in given.items():
            if kind != "Service":  # AWS' own services act for somebody who was let in
                yield from [names] if isinstance(names, str) else names
