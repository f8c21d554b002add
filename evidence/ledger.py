"""The propagation ledger: how long a new value took on each part of its way, rotation by rotation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from evidence.convergence import Move, fingerprints_of_versions, moves
from evidence.events import (
    ConsumerEnded,
    CredentialInUse,
    Entry,
    History,
    OperatorSync,
    RotationAsked,
    RotationStep,
    SecretWritten,
)
from evidence.findings import Finding, events, finding
from evidence.timeline import merge


class Hop(StrEnum):
    """A part of a new value's way, and from what moment it is counted."""

    CREATED = "asked for → PutSecretValue"
    MOVED = "PutSecretValue → AWSCURRENT"
    SYNCED = "AWSCURRENT → operator's sync"
    WRITTEN = "AWSCURRENT → Kubernetes Secret"
    FIRST_USE = "Kubernetes Secret → a consumer's first use"
    END_TO_END = "AWSCURRENT → last consumer's first use"


class Passage(BaseModel):
    """One hop as one rotation, or one consumer of it, went it.

    Attributes:
        hop: Which.
        consumer: Whose first use, where it is one.
        seconds: How long it took; None when an end of it was not seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hop: Hop
    consumer: str = ""
    seconds: float | None


class RotationRecord(BaseModel):
    """A rotation and what was seen of it.

    Attributes:
        secret: Name of the secret.
        version: What it was rotated to.
        began: When the first was seen of it, in seconds since the epoch.
        bound: Seconds promised for the way end to end; None when none was.
        resource_version: Of the Kubernetes Secret that has the value; empty when it was not seen.
        passages: Every hop; the first use once for each consumer that was to be expected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: str
    version: str
    began: float
    bound: float | None
    resource_version: str = ""
    passages: tuple[Passage, ...]


class HopFigures(BaseModel):
    """A hop over many rotations.

    Attributes:
        hop: Which.
        seen: How often both its ends were seen.
        missing: How often they were not.
        p50: Median in seconds; None when it was never seen.
        p95: As above.
        max: As above.
        bound: Seconds promised for its p95; None where nothing is promised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hop: Hop
    seen: int
    missing: int
    p50: float | None
    p95: float | None
    max: float | None
    bound: float | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the bound is kept; None without one.  What was not seen keeps none."""
        if self.bound is None:
            return None
        return not self.missing and self.p95 is not None and self.p95 <= self.bound


class LedgerTable(BaseModel):
    """The hops of all rotations that promise the same bound.

    Attributes:
        bound: That bound; None for rotations that promise none.
        hops: Figures, hop by hop.
        rotations: In order of time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bound: float | None
    hops: tuple[HopFigures, ...]
    rotations: tuple[RotationRecord, ...]


def ledger(history: Iterable[Entry]) -> tuple[LedgerTable, ...]:
    """Return the ledger of all rotations in a history, one table for each promised bound."""
    records = rotations(history)
    bounds = sorted({record.bound for record in records}, key=lambda bound: (bound is None, bound or 0.0))
    return tuple(_table(bound, [record for record in records if record.bound == bound]) for bound in bounds)


def bounds_kept(tables: Iterable[LedgerTable]) -> tuple[Finding, ...]:
    """Every bound that was promised is kept."""
    return tuple(
        finding(
            "propagation bound",
            f"{hop.hop}: p95 is {'missing' if hop.p95 is None else f'{hop.p95:.3f} s'}, "
            f"{hop.missing} of {hop.seen + hop.missing} are missing; promised is {hop.bound:g} s for all.",
        )
        for table in tables
        for hop in table.hops
        if hop.bound is not None and not hop.kept
    )


def rotations(history: Iterable[Entry]) -> tuple[RotationRecord, ...]:
    """Return what was seen of each rotation that was asked for or went through a step."""
    history = merge(history)
    started: dict[tuple[str, str], tuple[Entry, float | None]] = {}
    for entry in history:
        event = entry.event
        if isinstance(event, RotationAsked | RotationStep):
            bound = event.bound if isinstance(event, RotationAsked) else None
            began, before = started.get((event.secret, event.token), (entry, None))
            started[event.secret, event.token] = (began, before if bound is None else bound)
    secrets = {name: _Secret.of(history, name) for name in dict.fromkeys(secret for secret, _ in started)}
    return tuple(
        _record(secrets[secret], version, began, bound)
        for (secret, version), (began, bound) in started.items()
    )


@dataclass(frozen=True, slots=True)
class _Secret:
    """What concerns one secret, found once for all of its rotations."""

    name: str
    history: History
    moves: tuple[Move, ...]
    fingerprints: dict[str, str]

    @classmethod
    def of(cls, history: History, name: str) -> _Secret:
        about = tuple(
            entry
            for entry in history
            if isinstance(entry.event, ConsumerEnded) or getattr(entry.event, "secret", None) == name
        )
        return cls(name, about, moves(about, name), fingerprints_of_versions(about, name))

    def move(self, version: str) -> tuple[float | None, float]:
        """Return when the label came to a version, and when it went on."""
        for number, move in enumerate(self.moves):
            if move.version == version:
                following = self.moves[number + 1 : number + 2]
                return move.entry.at, following[0].entry.at if following else math.inf
        return None, math.inf


def _record(of: _Secret, version: str, began: Entry, bound: float | None) -> RotationRecord:
    history, secret = of.history, of.name
    asked = _first(entry for entry, event in events(history, RotationAsked) if event.token == version)
    created = _first(
        entry
        for entry, event in events(history, RotationStep)
        if (event.token, event.step, event.state) == (version, "createSecret", "done")
    )
    moved, end = of.move(version)
    fingerprint = of.fingerprints.get(version)
    written, resource_version = _written(history, secret, fingerprint, moved, end)
    uses = _first_uses(history, secret, fingerprint, moved, end)
    last = max(uses.values(), key=lambda use: math.inf if use is None else use, default=None)
    return RotationRecord(
        secret=secret,
        version=version,
        began=began.at,
        bound=bound,
        resource_version=resource_version,
        passages=(
            Passage(hop=Hop.CREATED, seconds=_between(asked, created)),
            Passage(hop=Hop.MOVED, seconds=_between(created, moved)),
            Passage(hop=Hop.SYNCED, seconds=_between(moved, _synced(history, secret, moved, end))),
            Passage(hop=Hop.WRITTEN, seconds=_between(moved, written)),
            *(
                Passage(hop=Hop.FIRST_USE, consumer=consumer, seconds=_between(written, use))
                for consumer, use in sorted(uses.items())
            ),
            *(() if uses else (Passage(hop=Hop.FIRST_USE, seconds=None),)),
            Passage(hop=Hop.END_TO_END, seconds=_between(moved, last)),
        ),
    )


def _synced(history: History, secret: str, moved: float | None, end: float) -> float | None:
    if moved is None:
        return None
    return _first(
        entry
        for entry, event in events(history, OperatorSync)
        # Kubernetes keeps whole seconds: a sync within the second of the move may bear an earlier time.
        if event.secret == secret and moved <= entry.at < end and event.refreshed >= math.floor(moved)
    )


def _written(
    history: History, secret: str, fingerprint: str | None, moved: float | None, end: float
) -> tuple[float | None, str]:
    if moved is None or fingerprint is None:
        return None, ""
    for entry, event in events(history, SecretWritten):
        if (event.secret, event.fingerprint) == (secret, fingerprint) and moved <= entry.at < end:
            return entry.at, event.resource_version
    return None, ""


def _first_uses(
    history: History, secret: str, fingerprint: str | None, moved: float | None, end: float
) -> dict[str, float | None]:
    """Return when each consumer that is to be expected first used the value.

    These are the ones that used the secret when the label moved and that did not end before
    the next move, and whoever used the new value.
    """
    if moved is None:
        return {}
    uses: dict[str, float | None] = {}
    for entry in history:
        event = entry.event
        if entry.at >= end:
            break
        if isinstance(event, ConsumerEnded) and uses.get(event.consumer) is None:
            uses.pop(event.consumer, None)
        elif isinstance(event, CredentialInUse) and event.secret == secret:
            if event.fingerprint == fingerprint and uses.get(event.consumer) is None:
                uses[event.consumer] = entry.at  # even before a label that was read late
            elif entry.at < moved:
                uses.setdefault(event.consumer, None)
    return uses


def _first(entries: Iterable[Entry]) -> float | None:
    return next((entry.at for entry in entries), None)


def _between(start: float | None, end: float | None) -> float | None:
    """Return the seconds from one moment to another; what was seen out of order took none."""
    return None if start is None or end is None else max(0.0, round(end - start, 6))


def _table(bound: float | None, records: Sequence[RotationRecord]) -> LedgerTable:
    passages = sorted(
        (passage for record in records for passage in record.passages),
        key=lambda each: [*Hop].index(each.hop),
    )
    hops = (
        _figures(hop, [passage.seconds for passage in group], bound if hop is Hop.END_TO_END else None)
        for hop, group in itertools.groupby(passages, key=lambda passage: passage.hop)
    )
    return LedgerTable(bound=bound, hops=tuple(hops), rotations=tuple(records))


def _figures(hop: Hop, seconds: Sequence[float | None], bound: float | None) -> HopFigures:
    seen = sorted(each for each in seconds if each is not None)
    return HopFigures(
        hop=hop,
        seen=len(seen),
        missing=len(seconds) - len(seen),
        p50=percentile(seen, 50),
        p95=percentile(seen, 95),
        max=seen[-1] if seen else None,
        bound=bound,
    )


def percentile(ordered: Sequence[float], rank: float) -> float | None:
    """Return the smallest value that so many percent do not exceed (nearest rank); None for no values."""
    return ordered[max(0, math.ceil(len(ordered) * rank / 100) - 1)] if ordered else None
