"""What Prometheus is told of a snapshot, and what becomes of a source that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from secret_exporter.metrics import SnapshotCollector
from secret_exporter.sources import Learnt, UnreachableError, Watcher
from secret_exporter.states import KeyState, OperatorObject, SecretState, Snapshot


def shown(snapshot: Snapshot) -> set[str]:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(lambda: snapshot))
    return {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}


def test_everything_known_is_told() -> None:
    snapshot = Snapshot(
        secrets=(
            SecretState("a", 10, rotation_enabled=True, next_rotation=30, last_rotation=10, pending_since=20),
            SecretState(
                "b", 1, rotation_enabled=False, next_rotation=9, last_rotation=None, pending_since=None
            ),
        ),
        key=KeyState("alias/k", enabled=False, deletion=99),
        objects=(
            OperatorObject("ExternalSecret", "n", "x", ready=True, synced=5),
            OperatorObject("ClusterSecretStore", "", "s", ready=False, synced=None),
        ),
        certificate_end=77,
        reads={"arn:x": 3},
        sources={"kms": True, "webhook": False},
        asked={"kms": 50},
    )
    assert shown(snapshot) == {
        'mita_secret_changed_timestamp_seconds{secret="a"} 10.0',
        'mita_secret_changed_timestamp_seconds{secret="b"} 1.0',
        'mita_secret_next_rotation_timestamp_seconds{secret="a"} 30.0',
        'mita_secret_next_rotation_timestamp_seconds{secret="b"} 9.0',
        'mita_secret_last_rotation_timestamp_seconds{secret="a"} 10.0',
        'mita_secret_rotation_enabled{secret="a"} 1.0',
        'mita_secret_rotation_enabled{secret="b"} 0.0',
        'mita_secret_rotation_pending{secret="a"} 1.0',
        'mita_secret_rotation_pending{secret="b"} 0.0',
        'mita_secret_rotation_pending_since_timestamp_seconds{secret="a"} 20.0',
        'mita_external_secret_ready{name="x",namespace="n"} 1.0',
        'mita_external_secret_last_sync_timestamp_seconds{name="x",namespace="n"} 5.0',
        'mita_secret_store_ready{kind="ClusterSecretStore",name="s",namespace=""} 0.0',
        "mita_secret_webhook_certificate_end_timestamp_seconds 77.0",
        'mita_secret_key_enabled{key="alias/k"} 0.0',
        'mita_secret_key_deletion_timestamp_seconds{key="alias/k"} 99.0',
        'mita_secret_unexpected_reads{principal="arn:x"} 3.0',
        'mita_secret_exporter_source_up{source="kms"} 1.0',
        'mita_secret_exporter_source_up{source="webhook"} 0.0',
        'mita_secret_exporter_source_asked_timestamp_seconds{source="kms"} 50.0',
    }


def test_what_is_not_known_is_not_told() -> None:
    assert shown(Snapshot()) == set()


def knowing(end: float) -> Callable[[], Learnt]:
    return lambda: lambda snapshot: replace(snapshot, certificate_end=end)


def failing() -> Learnt:
    raise UnreachableError("it does not answer")


def test_a_failing_source_is_told_and_hides_neither_the_others_nor_what_it_said_before() -> None:
    sources: dict[str, Callable[[], Learnt]] = {"kms": failing, "webhook": knowing(1)}
    watcher = Watcher(sources)
    watcher.ask()
    assert watcher.newest.sources == {"kms": False, "webhook": True}
    assert (watcher.newest.certificate_end, set(watcher.newest.asked)) == (1, {"webhook"})

    sources["webhook"] = failing
    watcher.ask()
    assert (watcher.newest.sources["webhook"], watcher.newest.certificate_end) == (False, 1)
