from __future__ import annotations

from pydantic import SecretStr

from deployer.fingerprint import Fingerprints
from evidence.events import CredentialInUse
from reference_app.metrics import Fingerprints as ApplicationsFingerprints


def test_with_a_shared_key_the_suite_and_the_application_name_a_value_alike() -> None:
    """What a pod shows in its metrics can be compared with what AWS keeps."""
    ours, theirs = Fingerprints(SecretStr("a key of this run")), ApplicationsFingerprints("a key of this run")

    def entry(fingerprint: str) -> CredentialInUse:
        return CredentialInUse(consumer="pod", secret="a", fingerprint=fingerprint)

    assert entry(ours.of("value")) == entry(theirs.of("value"))
    assert entry(ours.of("value")) != entry(theirs.of("other"))
