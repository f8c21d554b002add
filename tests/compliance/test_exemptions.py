"""What an environment declares of itself."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from environments.exemptions import local_exemptions
from tests.compliance.test_hops import authority, certificate


def test_exemptions_are_local_and_end_with_the_environments_authority(tmp_path: Path) -> None:
    pem = authority(certificate(tmp_path, days=7))
    end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.date()
    exemptions = local_exemptions("maintainers", {"tls-aws": "LocalStack"}, pem)
    assert [each.control for each in exemptions] == ["tls-aws"]
    for each in exemptions:
        assert each.local_only
        assert each.expires == end
        assert each.owner == "maintainers"
        assert each.reason.startswith("Local only: LocalStack")
