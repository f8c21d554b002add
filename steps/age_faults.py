"""Faults of what grows too old, for which nobody can wait: each is made old, and young again at the end."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deployer.cluster import Object
from deployer.eventually import eventually
from deployer.kinds.releases import not_rolled_out
from deployer.rendering import condition
from faults.cluster import scale
from steps import prometheus
from steps.definitions import definition, keep, well_formed
from steps.focus import Focus
from steps.mounting import until_mounted
from steps.operator import API
from steps.system import System

_NAMESPACE = "external-secrets-system"
_EXPORTER = "mita-secret-exporter"
_CERTIFICATES = "external-secrets-cert-controller"
_WEBHOOK = "external-secrets-webhook"
_LONGEST_AGE = "--most-days="
_AGO = timedelta(minutes=10)
_LEFT = timedelta(days=3)
_SECONDS = 60.0
_KEY_BITS = 2048


@contextmanager
def synchronised_long_ago(system: System, focus: Focus) -> Iterator[float]:
    """Have an external secret whose last synchronisation lies back longer than agreed.

    Yields:
        Since when it does, in seconds since the epoch: making one that is well is not part of the fault.
    """
    spec, name = well_formed(system, "external secret"), "scenario-" + secrets.token_hex(4)
    spec["target"]["name"] = name
    manifest = definition(system, "ExternalSecret", name, spec)  # which is refreshed once an hour
    kept = keep(system, focus, manifest)
    next(kept)
    try:
        eventually(
            lambda: _unready(system.cluster.get(manifest)),
            subject=name,
            deadline=_SECONDS,
            remedy="Look at the operator's log.",
        )
        yield _aged(system, manifest)
    finally:
        next(kept, None)


def _aged(system: System, manifest: Object) -> float:
    """Make the last synchronisation look old until Prometheus sees it so, and return since when it does."""
    name = manifest["metadata"]["name"]
    path = f"/apis/{API}/namespaces/{system.desired.namespace}/externalsecrets/{name}/status"
    old = (datetime.now(UTC) - _AGO).isoformat(timespec="seconds").replace("+00:00", "Z")
    aged_at = [0.0]

    def missing() -> str | None:
        live = system.cluster.get(manifest)
        assert live is not None, f"{name} is gone"
        # The operator may look twice at a new external secret, and then its second word is the last.
        if live["status"]["refreshTime"] != old:
            aged_at[0] = time.time()
            _merge(system, path, {"status": {"refreshTime": old}})
            return "the operator has just synchronised it"
        age = prometheus.query(system, f'mita:external_secret_sync_age:seconds{{name="{name}"}}')
        if not age or age[0][1] < _AGO.total_seconds():
            return "Prometheus does not know its age"
        return None

    eventually(missing, subject=name, deadline=_SECONDS, remedy="Look at the exporter's log.")
    return aged_at[0]


def _unready(live: Object | None) -> str | None:
    ready = condition(live, "Ready") if live else None
    return None if ready and ready["status"] == "True" else "it is not synchronised yet"


@contextmanager
def older_than_allowed(system: System, focus: Focus) -> Iterator[None]:
    """Have secrets that are older than they may become: the age that they may reach is brought to nothing."""
    manifest = focus.on("apps/v1", "Deployment", _EXPORTER, _NAMESPACE)
    path = f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments/{_EXPORTER}"
    (container,) = system.cluster.call("GET", path)["spec"]["template"]["spec"]["containers"]
    before: list[str] = container["args"]
    strict = [f"{_LONGEST_AGE}0" if each.startswith(_LONGEST_AGE) else each for each in before]
    assert strict != before, f"the exporter is not told {_LONGEST_AGE}"

    def run_with(arguments: list[str]) -> None:
        patch = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": arguments},
        ]
        system.cluster.call("PATCH", path, body=patch, content="json-patch+json", fieldManager="mita-faults")
        eventually(
            lambda: not_rolled_out(system.cluster.get(manifest)),
            subject=_EXPORTER,
            deadline=_SECONDS,
            remedy="Look at its pods.",
        )

    try:
        run_with(strict)
        yield
    finally:
        run_with(before)


@contextmanager
def certificate_about_to_end(system: System, focus: Focus) -> Iterator[float]:
    """Have a certificate of the operator's webhook that ends in days, and nobody who renews it.

    Yields:
        Since when the webhook shows it, in seconds since the epoch.
    """
    manifest = focus.on("apps/v1", "Deployment", _CERTIFICATES, _NAMESPACE)
    path = f"/api/v1/namespaces/{_NAMESPACE}/secrets/{_WEBHOOK}"
    scale(system.cluster, _NAMESPACE, _CERTIFICATES, 0)
    before: Mapping[str, str] = system.cluster.call("GET", path)["data"]
    try:
        _merge(system, path, {"data": _ending(before, datetime.now(UTC) + _LEFT)})
        yield _until_shown(system, ending=True)
    finally:
        _merge(system, path, {"data": dict(before)})
        _until_shown(system, ending=False)
        scale(system.cluster, _NAMESPACE, _CERTIFICATES, 1)
        eventually(
            lambda: not_rolled_out(system.cluster.get(manifest)),
            subject=_CERTIFICATES,
            deadline=_SECONDS,
            remedy="Look at its pods.",
        )


def _until_shown(system: System, *, ending: bool) -> float:
    """Wait until the webhook shows the certificate that is about to end, or the other one again."""

    def missing() -> str | None:
        found = prometheus.query(system, "mita_secret_webhook_certificate_end_timestamp_seconds - time()")
        shown = [seconds <= _LEFT.total_seconds() for _, seconds in found]
        return None if shown == [ending] else "the webhook shows the other certificate"

    label = "app.kubernetes.io/name=external-secrets-webhook"
    return until_mounted(system, _NAMESPACE, label, missing, subject="the webhook's certificate")


def _merge(system: System, path: str, change: Mapping[str, object]) -> None:
    system.cluster.call("PATCH", path, body=change, content="merge-patch+json", fieldManager="mita-faults")


def _ending(data: Mapping[str, str], end: datetime) -> dict[str, str]:
    """Return a certificate by the same authority for the same names, and its key, as the Secret has them."""
    held = {name: base64.b64decode(text) for name, text in data.items()}
    signer = serialization.load_pem_private_key(held["ca.key"], None)
    assert isinstance(signer, rsa.RSAPrivateKey), "the authority's key is of another kind"
    old = x509.load_pem_x509_certificate(held["tls.crt"])
    key = rsa.generate_private_key(65537, _KEY_BITS)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(end)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    made = {
        "tls.crt": builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        "tls.key": private,
    }
    return {name: base64.b64encode(content).decode() for name, content in made.items()}
