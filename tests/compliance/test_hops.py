"""Connections tried against real servers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployer.compliance.sources.hops import postgresql, try_redis, try_server, try_url
from deployer.errors import NotReadyError

HOST = "127.0.0.1"


def certificate(directory: Path, *, name: str = "localhost", days: int = 30) -> Path:
    """Write a self-signed certificate that ends in some days, and its key, into one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=365))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{name}-{days}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


def authority(file: Path) -> str:
    return file.read_text().partition("-----BEGIN PRIVATE KEY")[0]


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections one after the other, on a port of the system's choice, until the end."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if ended.is_set():
                        return
                    with contextlib.suppress(OSError):
                        answer(connection)

        ended = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            ended.set()
            socket.create_connection((HOST, port)).close()
            thread.join()


def tls(
    file: Path, *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, newest: ssl.TLSVersion | None = None
) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tested
        context.minimum_version = oldest
        if newest is not None:
            context.maximum_version = newest
        if oldest < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("ALL:@SECLEVEL=0")

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)

    return answer


def test_a_trusted_server(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    with serving(tls(file)) as port:
        hop = try_server(HOST, port, authority=authority(file), name="localhost")
    assert (hop.protocol, hop.untrusted, hop.old_protocols, hop.local) == ("TLSv1.3", None, False, True)
    assert hop.certificate is not None
    assert hop.certificate.subject == "CN=localhost"


@pytest.mark.parametrize(
    ("name", "days", "trusted", "seen"),
    [
        ("localhost", -1, True, "expired"),
        ("localhost", 30, False, "self-signed"),
        ("elsewhere", 30, True, "Hostname mismatch"),
    ],
)
def test_a_certificate_that_is_not_accepted(
    tmp_path: Path, *, name: str, days: int, trusted: bool, seen: str
) -> None:
    file = certificate(tmp_path, name=name, days=days)
    other = certificate(tmp_path, name="other")
    with serving(tls(file)) as port:
        hop = try_server(HOST, port, authority=authority(file if trusted else other), name="localhost")
    assert seen in (hop.untrusted or "")
    assert hop.certificate is not None, "the report has to say which certificate it is"


def test_a_server_that_also_agrees_to_old_versions(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    with serving(tls(file, oldest=ssl.TLSVersion.TLSv1)) as port:
        hop = try_server(HOST, port, authority=authority(file), name="localhost")
    assert (hop.protocol, hop.old_protocols) == ("TLSv1.3", True)


def test_a_server_that_knows_old_versions_only(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    old = tls(file, oldest=ssl.TLSVersion.TLSv1, newest=ssl.TLSVersion.TLSv1_1)
    with serving(old) as port:
        hop = try_server(HOST, port, authority=authority(file), name="localhost")
    assert hop.protocol == "TLSv1.1"


def test_an_http_server_is_plain() -> None:
    with serving(lambda connection: connection.close()) as port:
        assert try_url(f"http://{HOST}:{port}").protocol is None


def test_a_server_that_answers_in_plain() -> None:
    with serving(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert try_url(f"https://{HOST}:{port}").protocol is None


def _postgresql(then: Callable[[socket.socket], None], agrees: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        assert connection.recv(8)[4:] == b"\x04\xd2\x16\x2f"
        connection.sendall(agrees)
        then(connection)

    return answer


def test_postgresql_without_tls() -> None:
    with serving(_postgresql(lambda _: None, b"N")) as port:
        assert try_server(HOST, port, opening=postgresql).protocol is None


def test_postgresql_with_tls(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    with serving(_postgresql(tls(file), b"S")) as port:
        hop = try_server(HOST, port, opening=postgresql, authority=authority(file), name="localhost")
    assert (hop.protocol, hop.untrusted) == ("TLSv1.3", None)


@pytest.mark.parametrize("said", [b"+PONG\r\n", b"-NOAUTH Authentication required.\r\n"])
def test_redis_without_tls(said: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        assert connection.recv(6) == b"PING\r\n"
        connection.sendall(said)

    with serving(answer) as port:
        assert try_redis(HOST, port).protocol is None


def test_redis_with_tls(tmp_path: Path) -> None:
    with serving(tls(certificate(tmp_path))) as port:
        hop = try_redis(HOST, port)
    assert hop.protocol == "TLSv1.3"
    assert "self-signed" in (hop.untrusted or "")


def test_nobody_answers() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotReadyError) as silent:
        try_url(f"https://{HOST}:{port}")
    assert silent.value.subject == f"{HOST}:{port}"
