"""A certificate authority that lives and ends with its run."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from environments.embedded.run_directory import RunDirectory

type Usage = Literal["server", "client", "peer"]

# The environment may be left running for long; its authorities die with it in any case.
_VALIDITY = datetime.timedelta(days=365)
_CLOCK_SKEW = datetime.timedelta(minutes=5)
_USAGES: dict[Usage, list[x509.ObjectIdentifier]] = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "peer": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Files, in PEM, of a private key (mode 0600) and the public key that verifies what it signs."""

    private: Path
    public: Path

    @classmethod
    def create(cls, run: RunDirectory, name: str) -> SigningKey:
        """Make an ECDSA P-256 key under the run's ``pki``.

        Raises:
            ConfigurationError: The run directory cannot be written to.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(run.write(f"pki/{name}.key", _private(key)), run.write(f"pki/{name}.pub", public))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Files, in PEM, of a certificate and its private key (mode 0600)."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates of ECDSA P-256 keys.  Its own key never leaves this process' memory.

    Attributes:
        name: What it answers for, for example ``kubernetes``.
        certificate: PEM file of its certificate.
    """

    def __init__(self, run: RunDirectory, name: str) -> None:
        """Make an authority whose files lie in the run's ``pki/<name>``.

        Raises:
            ConfigurationError: The run directory cannot be written to.
        """
        self.name = name
        self._run = run
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(f"mita {name} authority of run {run.run_id[:8]}", ())
        self._issued: dict[str, int] = {}
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        certificate = (
            self._builder(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = run.write(f"pki/{name}/authority.crt", _pem(certificate))

    def issue(
        self,
        common_name: str,
        organizations: Sequence[str] = (),
        *,
        addresses: Sequence[str] = (),
        names: Sequence[str] = (),
        usage: Usage = "client",
    ) -> KeyPair:
        """Make a key and a certificate for it.

        Args:
            common_name: For a client, the user that Kubernetes takes it for.
            organizations: For a client, the groups that Kubernetes takes it to be in.
            addresses: IP addresses that a server answers at.
            names: DNS names that a server answers to.
            usage: ``peer`` is both a server and a client.

        Raises:
            ConfigurationError: The run directory cannot be written to.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(_name(common_name, organizations), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_USAGES[usage]), critical=False)
            .add_extension(self._identifier, critical=False)
        )
        alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = f"pki/{self.name}/{self._stem(common_name)}"
        return KeyPair(
            certificate=self._run.write(f"{stem}.crt", _pem(certificate)),
            key=self._run.write(f"{stem}.key", _private(key)),
        )

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _VALIDITY)
        )

    def _stem(self, common_name: str) -> str:
        # The same name may be issued twice, with other groups; the first one's files stay as they are.
        stem = re.sub(r"[^A-Za-z0-9.-]+", "-", common_name)
        self._issued[stem] = self._issued.get(stem, 0) + 1
        return stem if self._issued[stem] == 1 else f"{stem}-{self._issued[stem]}"


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    # Not encrypted: the servers read it unattended, and the file's mode protects it.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
