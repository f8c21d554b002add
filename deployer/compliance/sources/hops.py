"""The connections that secrets travel on, each tried as its clients would."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import warnings
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from cryptography import x509

from deployer.compliance.facts import Certificate, Hop
from deployer.errors import NotReadyError

_SECONDS = 5.0
_POSTGRESQL_REQUEST = struct.pack("!II", 8, 80877103)  # SSLRequest of PostgreSQL's protocol
_AGREED = b"S"
_REDIS_REQUEST = b"PING\r\n"
_REDIS_ANSWERS = (b"+", b"-")  # PONG, or that a login is needed
_OLDEST = "TLSv1.1"  # or older: which one makes no difference

Opening = Callable[[socket.socket], bool]
"""What a protocol says before TLS; it returns whether the server agrees to TLS."""


def plain_tls(_connection: socket.socket) -> bool:
    """TLS from the first byte."""
    return True


def postgresql(connection: socket.socket) -> bool:
    """PostgreSQL asks first."""
    connection.sendall(_POSTGRESQL_REQUEST)
    return connection.recv(1) == _AGREED


def try_redis(host: str, port: int, authority: str | None = None) -> Hop:
    """Try Redis: without TLS it answers in plain, and would wait for more of a TLS greeting for ever.

    Raises:
        NotReadyError: It does not answer.
    """
    with _connected(host, port) as connection, suppress(OSError):
        connection.sendall(_REDIS_REQUEST)
        if connection.recv(1) in _REDIS_ANSWERS:
            return Hop(f"{host}:{port}", _is_loopback(connection), protocol=None)
    return try_server(host, port, authority=authority)


def try_url(url: str, authority: str | None = None) -> Hop:
    """Try the server of an http or https address.

    Raises:
        NotReadyError: It does not answer.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        port = parts.port or 80
        with _connected(host, port) as connection:
            return Hop(f"{host}:{port}", _is_loopback(connection), protocol=None)
    return try_server(host, parts.port or 443, authority=authority)


def try_server(
    host: str,
    port: int,
    *,
    authority: str | None = None,
    name: str | None = None,
    opening: Opening = plain_tls,
) -> Hop:
    """Try a server: whether it speaks TLS, in which version, and with which certificate.

    Args:
        host: Its name or address.
        port: Its port.
        authority: PEM of who signed its certificate; the system's authorities unless given.
        name: The name that its certificate has to be for; `host` unless given.
        opening: What its protocol says before TLS.

    Raises:
        NotReadyError: It does not answer.
    """
    address = f"{host}:{port}"
    trusting = ssl.create_default_context(cadata=authority)
    untrusted: str | None = None
    with _connected(host, port) as connection:
        local = _is_loopback(connection)
        try:
            if not opening(connection):
                return Hop(address, local, protocol=None)
            with trusting.wrap_socket(connection, server_hostname=name or host) as secured:
                protocol, certificate = secured.version(), _certificate(secured)
        except ssl.SSLCertVerificationError as error:
            untrusted = error.verify_message
        except TimeoutError as error:
            raise _silent(address, "silence") from error
        except OSError:  # it answers, with something else
            old = _agrees_to_old(host, port, opening)
            return Hop(address, local, protocol=_OLDEST if old else None)
    if untrusted is not None:
        protocol, certificate = _whatever_it_shows(host, port, opening)
    return Hop(
        address,
        local,
        protocol,
        old_protocols=_agrees_to_old(host, port, opening),
        untrusted=untrusted,
        certificate=certificate,
    )


def _connected(host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), timeout=_SECONDS)
    except OSError as error:
        raise _silent(f"{host}:{port}", error.strerror or type(error).__name__) from error


def _silent(address: str, seen: str) -> NotReadyError:
    return NotReadyError(
        address,
        expected="a server that answers",
        seen=seen,
        remedy="See whether it runs and can be reached from here.",
    )


def _is_loopback(connection: socket.socket) -> bool:
    return ipaddress.ip_address(connection.getpeername()[0]).is_loopback


def _whatever_it_shows(host: str, port: int, opening: Opening) -> tuple[str | None, Certificate | None]:
    """Read a certificate that was not accepted, to say in the report what is wrong with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with _connected(host, port) as connection:
            opening(connection)
            with context.wrap_socket(connection) as secured:
                return secured.version(), _certificate(secured)
    except OSError:
        return None, None


def _agrees_to_old(host: str, port: int, opening: Opening) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # whatever the server may take: nothing is sent over it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the question
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with _connected(host, port) as connection:
            opening(connection)
            with context.wrap_socket(connection):
                return True
    except (OSError, NotReadyError):
        return False


def _certificate(secured: ssl.SSLSocket) -> Certificate | None:
    shown = secured.getpeercert(binary_form=True)
    return None if shown is None else described(x509.load_der_x509_certificate(shown))


def described(certificate: x509.Certificate) -> Certificate:
    """Return what matters of a certificate."""
    return Certificate(
        certificate.subject.rfc4514_string(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
