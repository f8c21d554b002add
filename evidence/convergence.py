"""When a secret's current value moved, and whether every consumer followed within its bound."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from evidence.events import (
    CURRENT,
    ConsumerEnded,
    CredentialInUse,
    Entry,
    RotationStep,
    StagingLabels,
)
from evidence.findings import Finding, events, finding
from evidence.timeline import merge


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody who has to follow a secret.

    Attributes:
        name: As entries name it.
        secret: Name of the secret in AWS.
        bound: Seconds that it may take from the current label's move.
    """

    name: str
    secret: str
    bound: float


@dataclass(frozen=True, slots=True)
class Move:
    """The current label came to a version, or was found there at first.

    Attributes:
        entry: What shows it first.
        version: The version's id.
        fingerprint: Of its value; None when nobody read it.
        until: When it was last seen there, before it was seen elsewhere; infinite for the last move.
    """

    entry: Entry
    version: str
    fingerprint: str | None
    until: float = math.inf


def moves(history: Iterable[Entry], secret: str) -> tuple[Move, ...]:
    """Return where a secret's current label was found first, and every move of it since.

    A step finishSecret that is done tells a move to the moment; reading labels tells it late.
    A reading that began before a move, and shows another version, shows what held before the move.
    """
    history = merge(history)
    fingerprints = fingerprints_of_versions(history, secret)
    found: list[Move] = []
    said = [(entry, version) for entry in history if (version := _current_version(entry, secret)) is not None]
    for _, group in itertools.groupby(said, key=lambda pair: pair[0].at):
        entry, version = list(group)[-1]
        if found and found[-1].version == version:
            found[-1] = replace(found[-1], until=entry.at)
        elif not found or _began(entry) >= found[-1].entry.at:
            found.append(Move(entry, version, fingerprints.get(version), until=entry.at))
    if found:
        found[-1] = replace(found[-1], until=math.inf)
    return tuple(found)


def _began(entry: Entry) -> float:
    asked = entry.event.asked if isinstance(entry.event, StagingLabels) else None
    return entry.at if asked is None else asked


def fingerprints_of_versions(history: Iterable[Entry], secret: str) -> dict[str, str]:
    """Return the fingerprint of each version of a secret whose value was ever read."""
    return {
        version.version: version.fingerprint
        for _, seen in events(history, StagingLabels)
        if seen.secret == secret
        for version in seen.versions
        if version.fingerprint is not None
    }


def _current_version(entry: Entry, secret: str) -> str | None:
    event = entry.event
    if isinstance(event, StagingLabels) and event.secret == secret and len(event.current) == 1:
        return event.current[0].version
    if (
        isinstance(event, RotationStep)
        and event.secret == secret
        and (event.step, event.state) == ("finishSecret", "done")
    ):
        return event.token
    return None


def converged(history: Iterable[Entry], *, consumers: Sequence[Consumer]) -> tuple[Finding, ...]:
    """Every consumer uses the current value from its bound after each move until the next one.

    Until the bound has passed it may use any value, and also between the last reading that
    still shows a version current and the first that shows another.  At the end of the history
    it must have followed, whether or not the bound has passed, and it must have been seen to
    follow at least one move.  A consumer that ended owes nothing until it is seen again.
    """
    history = merge(history)
    if not consumers:
        return (finding(_RULE, "No consumer was named."),)
    return tuple(found for consumer in consumers for found in _check(history, consumer))


_RULE = f"consumers follow {CURRENT}"


def _check(history: tuple[Entry, ...], consumer: Consumer) -> Iterator[Finding]:
    known = moves(history, consumer.secret)
    if len(known) < 2:  # noqa: PLR2004  the first is where the label was found
        yield finding(_RULE, f"{CURRENT} of {consumer.secret} was not seen to move.")
    uses = _uses(history, consumer)
    if not any(isinstance(use.event, CredentialInUse) for use in uses):
        yield finding(_RULE, f"{consumer.name} was not seen to use {consumer.secret}.")
        return
    followed = False
    for number, move in enumerate(known):
        end = known[number + 1].entry.at if number + 1 < len(known) else math.inf
        if move.fingerprint is None:
            yield finding(
                _RULE, f"The value of version {move.version} of {consumer.secret} was not read.", [move.entry]
            )
            continue
        spans = _spans(uses, move.entry.at, end)
        if number and any(_value(use) == move.fingerprint for _, use in spans):
            followed = True
        if (late := _late(spans, move, end, consumer, history[-1].at)) is not None:
            yield late
    if len(known) > 1 and not followed:
        yield finding(
            _RULE, f"{consumer.name} was not seen to follow any move of {consumer.secret}.", [known[1].entry]
        )


def _uses(history: Iterable[Entry], consumer: Consumer) -> list[Entry]:
    """Return what says which value the consumer uses, one entry a moment."""
    said = [
        entry
        for entry in history
        if (isinstance(entry.event, ConsumerEnded) and entry.event.consumer == consumer.name)
        or (
            isinstance(entry.event, CredentialInUse)
            and (entry.event.consumer, entry.event.secret) == (consumer.name, consumer.secret)
        )
    ]
    return [list(group)[-1] for _, group in itertools.groupby(said, key=lambda entry: entry.at)]


def _spans(uses: list[Entry], start: float, end: float) -> list[tuple[float, Entry | None]]:
    """Return from when on which entry says what is in use, from a moment until just before another."""
    before = [use for use in uses if use.at <= start]
    within = [(use.at, use) for use in uses if start < use.at < end]
    return [(start, before[-1] if before else None), *within]


def _value(use: Entry | None) -> str | None:
    return use.event.fingerprint if use is not None and isinstance(use.event, CredentialInUse) else None


def _late(
    spans: list[tuple[float, Entry | None]], move: Move, end: float, consumer: Consumer, last: float
) -> Finding | None:
    """Return the first breach after one move, if there is any."""
    deadline = move.entry.at + consumer.bound
    due = min(deadline, last) if math.isinf(end) else deadline
    if due > move.until:
        return None  # the next move came first
    ends = [start for start, _ in spans[1:]]
    for (start, use), until in zip(spans, [*ends, end], strict=True):
        ended = use is not None and isinstance(use.event, ConsumerEnded)
        if start <= move.until and until > due and not ended and _value(use) != move.fingerprint:
            began = max(start, due)
            waited = began - move.entry.at
            what = "had gone back to another value" if _followed(spans, move, start) else "used another value"
            text = (
                f"{consumer.name} {what} {waited:.3f} s after {CURRENT} of {consumer.secret} moved to "
                f"version {move.version}; its bound is {consumer.bound:g} s."
            )
            entries = (move.entry,) if use is None else (move.entry, use)
            return finding(_RULE, text, entries).model_copy(update={"at": began})
    return None


def _followed(spans: list[tuple[float, Entry | None]], move: Move, before: float) -> bool:
    return any(_value(use) == move.fingerprint for start, use in spans if start < before)
