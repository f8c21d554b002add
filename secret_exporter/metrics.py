"""A snapshot in Prometheus' form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from secret_exporter.states import Snapshot

Sample = tuple[tuple[str, ...], float | None]


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield every metric of a snapshot; what is not known has no sample."""
    yield from _secrets(snapshot)
    yield from _operator(snapshot)
    key = snapshot.key
    yield _gauge(
        "mita_secret_key_enabled",
        "1 while the key that encrypts the secrets may be used",
        ("key",),
        [((key.alias,), float(key.enabled))] if key else [],
    )
    yield _gauge(
        "mita_secret_key_deletion_timestamp_seconds",
        "When the key is to be deleted; absent while it is not",
        ("key",),
        [((key.alias,), key.deletion)] if key else [],
    )
    yield _gauge(
        "mita_secret_unexpected_reads",
        "How often of late a principal that has no business with secrets tried to read one",
        ("principal",),
        [((principal,), float(count)) for principal, count in snapshot.reads.items()],
    )
    yield _gauge(
        "mita_secret_exporter_source_up",
        "Whether the last attempt to ask a source succeeded",
        ("source",),
        [((source,), float(up)) for source, up in snapshot.sources.items()],
    )
    yield _gauge(
        "mita_secret_exporter_source_asked_timestamp_seconds",
        "When a source was last asked with success",
        ("source",),
        [((source,), when) for source, when in snapshot.asked.items()],
    )


def _secrets(snapshot: Snapshot) -> Iterator[Metric]:
    label, secrets = ("secret",), snapshot.secrets
    yield _gauge(
        "mita_secret_changed_timestamp_seconds",
        "When the current version of a secret was made",
        label,
        [((each.name,), each.changed) for each in secrets],
    )
    yield _gauge(
        "mita_secret_next_rotation_timestamp_seconds",
        "When a secret is to change: by its schedule, or by the age that it may reach",
        label,
        [((each.name,), each.next_rotation) for each in secrets],
    )
    yield _gauge(
        "mita_secret_last_rotation_timestamp_seconds",
        "When a secret was last rotated by its schedule; absent when it never was",
        label,
        [((each.name,), each.last_rotation) for each in secrets],
    )
    yield _gauge(
        "mita_secret_rotation_enabled",
        "1 for a secret that is rotated by a schedule",
        label,
        [((each.name,), float(each.rotation_enabled)) for each in secrets],
    )
    yield _gauge(
        "mita_secret_rotation_pending",
        "1 while a version of a secret waits to become the current one",
        label,
        [((each.name,), float(each.pending_since is not None)) for each in secrets],
    )
    yield _gauge(
        "mita_secret_rotation_pending_since_timestamp_seconds",
        "When the waiting version was made; absent while there is none",
        label,
        [((each.name,), each.pending_since) for each in secrets],
    )


def _operator(snapshot: Snapshot) -> Iterator[Metric]:
    external = [each for each in snapshot.objects if each.kind == "ExternalSecret"]
    stores = [each for each in snapshot.objects if each.kind != "ExternalSecret"]
    yield _gauge(
        "mita_external_secret_ready",
        "1 while the operator says that an external secret is ready",
        ("namespace", "name"),
        [((each.namespace, each.name), float(each.ready)) for each in external],
    )
    yield _gauge(
        "mita_external_secret_last_sync_timestamp_seconds",
        "When the operator last carried an external secret over",
        ("namespace", "name"),
        [((each.namespace, each.name), each.synced) for each in external],
    )
    yield _gauge(
        "mita_secret_store_ready",
        "1 while the operator says that a store is ready",
        ("kind", "namespace", "name"),
        [((each.kind, each.namespace, each.name), float(each.ready)) for each in stores],
    )
    yield _gauge(
        "mita_secret_webhook_certificate_end_timestamp_seconds",
        "When the certificate of the operator's webhook ends",
        (),
        [((), snapshot.certificate_end)],
    )


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        if value is not None:
            family.add_metric(values, value)
    return family


class SnapshotCollector(Collector):
    """Shows Prometheus the newest snapshot.

    Args:
        newest: Returns it.
    """

    def __init__(self, newest: Callable[[], Snapshot]) -> None:
        self._newest = newest

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        return families(self._newest())
