"""Kubernetes objects compared with what the server would make of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deployer.changes import Difference
from deployer.cluster import NOT_FOUND, UNPROCESSABLE, WEBHOOK_SILENT, Cluster, ClusterError, Object, name_of
from deployer.rendering import drift

WORKERS = 8  # calls under way at once


@dataclass(frozen=True, slots=True)
class ObjectState:
    """A live object, as far as it matters.

    Attributes:
        differences: What applying the manifest would change.
        unknown: Why that could not be found out, for example because a webhook is down.
        immutable: Why the object can only be replaced.
        undeclared: Whether no manifest stands for it although this deployer made it.
    """

    differences: tuple[Difference, ...] = ()
    unknown: str | None = None
    immutable: str | None = None
    undeclared: bool = False


def observe_objects(cluster: Cluster, manifests: Sequence[Object]) -> dict[str, ObjectState]:
    """Compare the live objects with their manifests, two calls each; absent ones are left out."""
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        states = list(pool.map(lambda manifest: _observe(cluster, manifest), manifests))
    pairs = zip(manifests, states, strict=True)
    return {name_of(manifest): state for manifest, state in pairs if state is not None}


def _observe(cluster: Cluster, manifest: Object) -> ObjectState | None:
    live = cluster.get(manifest)
    if live is None:
        return None
    try:
        applied = cluster.apply(manifest, dry_run=True)
    except ClusterError as error:
        return _incomparable(error)
    return ObjectState(differences=drift(live, applied))


def _incomparable(error: ClusterError) -> ObjectState | None:
    if error.status == NOT_FOUND:  # gone between the two calls
        return None
    if error.status == UNPROCESSABLE and "immutable" in error.message:
        return ObjectState(immutable=error.message)
    if WEBHOOK_SILENT in error.message:
        return ObjectState(unknown="its webhook does not answer")
    raise error
