"""The cluster's OIDC issuer as an identity provider of IAM."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from deployer.changes import Change, differences
from deployer.connections import ClusterIdentity
from deployer.kinds.kind import Kind, Observed


@dataclass(frozen=True, slots=True)
class ProviderState:
    """An identity provider as it was observed."""

    audiences: frozenset[str]
    thumbprints: frozenset[str]
    tags: Mapping[str, str]


def provider_arn(account: str, issuer: str) -> str:
    """Return the ARN that IAM gives to the provider of an issuer."""
    return f"arn:aws:iam::{account}:oidc-provider/{issuer_host(issuer)}"


def issuer_host(issuer: str) -> str:
    """Return an issuer as IAM names it: its URL without scheme."""
    return issuer.removeprefix("https://").rstrip("/")


def thumbprint(certificate_authority: str) -> str:
    """Return the SHA-1 of a PEM certificate, by which IAM knows an issuer's authority."""
    certificate = x509.load_pem_x509_certificate(certificate_authority.encode())
    # IAM's API prescribes SHA-1 for thumbprints; it identifies, it does not protect.
    return hashlib.sha1(certificate.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest()


class IdentityProviders(Kind[ProviderState]):
    """The one provider that the roles' trust refers to."""

    kind = "identity-provider"

    def __init__(
        self,
        phase: int,
        *,
        audiences: frozenset[str],
        tags: Mapping[str, str],
        account: str,
        cluster: ClusterIdentity,
        iam: Any,  # noqa: ANN401  boto3 client
    ) -> None:
        super().__init__(phase)
        self._audiences = audiences
        self._tags = tags
        self._issuer = cluster.oidc_issuer
        self._name = issuer_host(cluster.oidc_issuer)
        self._arn = provider_arn(account, cluster.oidc_issuer)
        self._authority = cluster.certificate_authority
        self._iam = iam

    def observe(self, names: Collection[str] | None = None) -> Mapping[str, ProviderState]:  # noqa: ARG002  only one
        """Read the provider: one call."""
        try:
            found = self._iam.get_open_id_connect_provider(OpenIDConnectProviderArn=self._arn)
        except self._iam.exceptions.NoSuchEntityException:
            return {}
        state = ProviderState(
            audiences=frozenset(found["ClientIDList"]),
            thumbprints=frozenset(found["ThumbprintList"]),
            tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
        )
        return {self._name: state}

    def diff(self, observed: Observed) -> Sequence[Change]:
        """Compare the provider with the cluster's issuer."""
        wanted = {
            "audiences": sorted(self._audiences),
            "tags": self._tags,
            "thumbprints": [thumbprint(self._authority)],
        }
        state = self.seen(observed).get(self._name)
        if state is None:
            return [
                self.create(self._name, "IAM does not know the cluster's issuer", differences({}, wanted))
            ]
        before = {
            "audiences": sorted(state.audiences),
            "tags": {tag: value for tag, value in state.tags.items() if tag in self._tags},
            "thumbprints": sorted(state.thumbprints),
        }
        return [self.update(self._name, differences(before, wanted))]

    def apply(self, change: Change, observed: Observed) -> None:  # noqa: ARG002  there is only one
        """Make or mend the provider."""
        state = self.seen(observed).get(self._name)
        tags = [{"Key": tag, "Value": value} for tag, value in self._tags.items()]
        thumbprints = [thumbprint(self._authority)]
        if state is None:
            self._iam.create_open_id_connect_provider(
                Url=self._issuer, ClientIDList=sorted(self._audiences), ThumbprintList=thumbprints, Tags=tags
            )
            return
        if state.thumbprints != frozenset(thumbprints):
            self._iam.update_open_id_connect_provider_thumbprint(
                OpenIDConnectProviderArn=self._arn, ThumbprintList=thumbprints
            )
        for audience in sorted(self._audiences - state.audiences):
            self._iam.add_client_id_to_open_id_connect_provider(
                OpenIDConnectProviderArn=self._arn, ClientID=audience
            )
        for audience in sorted(state.audiences - self._audiences):
            self._iam.remove_client_id_from_open_id_connect_provider(
                OpenIDConnectProviderArn=self._arn, ClientID=audience
            )
        self._iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=self._arn, Tags=tags)
