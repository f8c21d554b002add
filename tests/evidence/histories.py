"""Histories made up for the tests of timeline, checkers and ledger."""

from __future__ import annotations

from typing import Any

from evidence.events import CredentialInUse, CredentialProbe, Entry, SecretVersion, StagingLabels


def at(moment: float, event: Any) -> Entry:  # noqa: ANN401  any event
    return Entry(at=moment, monotonic=moment, event=event)


def fingerprint(name: str) -> str:
    """Return what stands for the fingerprint of a value that goes by a name."""
    return name.encode().hex().ljust(16, "0")[:16]


def labels(secret: str, *current: str, other: tuple[str, ...] = ()) -> StagingLabels:
    """Return an observation in which versions, named as their values, are current and others are not."""
    return StagingLabels(
        secret=secret,
        versions=tuple(
            SecretVersion(version=name, labels=stages, fingerprint=fingerprint(name))
            for names, stages in ((current, ("AWSCURRENT",)), (other, ("AWSPREVIOUS",)))
            for name in names
        ),
    )


def uses(consumer: str, value: str, of: str = "a") -> CredentialInUse:
    return CredentialInUse(consumer=consumer, secret=of, fingerprint=fingerprint(value))


def probe(consumer: str, *, accepted: bool, login: str = "one") -> CredentialProbe:
    return CredentialProbe(consumer=consumer, login=login, accepted=accepted)
