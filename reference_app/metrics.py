"""What the application tells Prometheus."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from reference_app.settings import Kind

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Fingerprints:
    """Recognises a credential without showing it.

    A fingerprint is the first 16 hexadecimal digits of HMAC-SHA256 over the value, so whoever holds
    the key and the value can compute it, and nobody else can test guesses against it.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode() or secrets.token_bytes(32)

    def of(self, value: str) -> str:
        """Return the fingerprint of one credential."""
        return hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()[:16]


class Metrics:
    """The process' counters and gauges, in a registry of its own."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        # a second series for each counter, which nothing here reads
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self._fingerprints = fingerprints
        self._shown: dict[Kind, list[tuple[str, str]]] = {}
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "mita_http_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.latency = Histogram(
            "mita_http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer",
            ["route"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
        )
        self.credential = Gauge(
            "mita_credential_info",
            "Always 1; the credential in use by its keyed fingerprint",
            ["kind", "key", "fingerprint"],
            registry=registry,
        )
        self.generation = Gauge(
            "mita_credential_generation",
            "How many sets of credentials were in use",
            ["kind"],
            registry=registry,
        )
        self.reloads = Counter(
            "mita_credential_reloads",
            "Attempts to take new credentials",
            ["kind", "result"],
            registry=registry,
        )
        self.last_reload = Gauge(
            "mita_credential_last_reload_timestamp_seconds",
            "When the credentials in use were taken",
            ["kind"],
            registry=registry,
        )
        self.pending = Gauge(
            "mita_credential_pending",
            "1 while the mounted credentials are not the ones in use, because they were refused",
            ["kind"],
            registry=registry,
        )
        self.login_failures = Counter(
            "mita_login_failures", "Logins that a server refused", ["kind"], registry=registry
        )
        for kind in Kind:
            self.generation.labels(kind)
            self.last_reload.labels(kind)
            self.pending.labels(kind)
            self.reloads.labels(kind, "applied")
            self.reloads.labels(kind, "refused")
        for kind in (Kind.DATABASE, Kind.CACHE):
            self.login_failures.labels(kind)

    def credential_applied(self, kind: Kind, secret_values: dict[str, str]) -> None:
        """Note that a kind's credentials are now in use, under the names of their keys."""
        for key, fingerprint in self._shown.pop(kind, []):
            self.credential.remove(kind, key, fingerprint)
        shown = [(key, self._fingerprints.of(value)) for key, value in secret_values.items()]
        for key, fingerprint in shown:
            self.credential.labels(kind, key, fingerprint).set(1)
        self._shown[kind] = shown
        self.generation.labels(kind).inc()
        self.last_reload.labels(kind).set_to_current_time()
        self.pending.labels(kind).set(0)
        self.reloads.labels(kind, "applied").inc()

    def credential_refused(self, kind: Kind) -> None:
        """Note that a kind's mounted credentials could not be taken; the ones before stay in use."""
        self.pending.labels(kind).set(1)
        self.reloads.labels(kind, "refused").inc()

    def exposition(self) -> bytes:
        """Return every metric in Prometheus' text form."""
        return generate_latest(self.registry)
