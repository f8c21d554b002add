"""A certificate authority that lives and ends with its run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from environments.certificates import Issuer, Usage, pem, private_pem, subject
from environments.embedded.run_directory import RunDirectory


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
        return cls(run.write(f"pki/{name}.key", private_pem(key)), run.write(f"pki/{name}.pub", public))


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
        self._issuer = Issuer.make(f"mita {name} authority of run {run.run_id[:8]}")
        self._issued: dict[str, int] = {}
        self.certificate = run.write(f"pki/{name}/authority.crt", pem(self._issuer.certificate))

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
        issued = self._issuer.issue(
            subject(common_name, organizations), usage=usage, addresses=addresses, names=names
        )
        stem = f"pki/{self.name}/{self._stem(common_name)}"
        return KeyPair(
            certificate=self._run.write(f"{stem}.crt", issued.certificate),
            key=self._run.write(f"{stem}.key", issued.key),
        )

    def _stem(self, common_name: str) -> str:
        # The same name may be issued twice, with other groups; the first one's files stay as they are.
        stem = re.sub(r"[^A-Za-z0-9.-]+", "-", common_name)
        self._issued[stem] = self._issued.get(stem, 0) + 1
        return stem if self._issued[stem] == 1 else f"{stem}-{self._issued[stem]}"
