"""What the embedded environment declares of itself."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from deployer.compliance.checks.hops import NAMES
from environments.embedded.exemptions import loopback_exemptions
from tests.compliance.test_hops import authority, certificate


def test_exemptions_are_for_loopback_and_end_with_the_environments_authority(tmp_path: Path) -> None:
    pem = authority(certificate(tmp_path, days=7))
    end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.date()
    exemptions = loopback_exemptions(pem)
    assert {each.control for each in exemptions} < set(NAMES)
    for each in exemptions:
        assert each.loopback_only
        assert each.expires == end
        assert each.owner
        assert each.reason.startswith("Loopback only")
