"""An issuer of tokens such as a cluster is: HTTPS with an authority of its own, discovery, keys."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from deployer.connections import ClusterIdentity

SUBJECT = "system:serviceaccount:mita-production:mita-external-secrets"
AUDIENCE = "sts.amazonaws.com"


class Issuer:
    """Signs tokens and publishes its key."""

    def __init__(self, url: str, certificate: str) -> None:
        self.url = url
        self.certificate = certificate
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def cluster(self) -> ClusterIdentity:
        return ClusterIdentity("mita-production", "mita-production", self.url, self.certificate)

    def token(
        self,
        *,
        key: rsa.RSAPrivateKey | str | None = None,
        key_id: str = "one",
        algorithm: str = "RS256",
        **claims: object,
    ) -> str:
        """Sign a token of the operator's service account; claims replace the usual ones."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "sub": SUBJECT,
            "aud": [AUDIENCE],
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        }
        return jwt.encode(
            usual | claims, key or self.key, algorithm=algorithm, headers={"kid": key_id, "typ": "JWT"}
        )

    def documents(self) -> dict[str, Any]:
        """Return what it publishes, by path."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/openid/v1/jwks",
            },
            "/openid/v1/jwks": {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]},
        }


@contextlib.contextmanager
def serving(directory: Path, address: str) -> Iterator[Issuer]:
    """Serve an issuer on a free port of an address."""
    certificate, key_file = _certificate(directory, address)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.documents().get(self.path, {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    issuer = Issuer(f"https://{address}:{server.server_port}", certificate.read_text())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(directory: Path, address: str) -> tuple[Path, Path]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = directory / "issuer.pem", directory / "issuer.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key_file
