from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from environments.embedded.control_plane import Authority, configuration
from environments.embedded.control_plane.authority import SigningKey
from environments.embedded.run_directory import RunDirectory


def _load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_servers_certificate_verifies_for_its_address_only_and_only_by_its_authority(
    run: RunDirectory,
) -> None:
    authority, stranger = Authority(run, "one"), Authority(run, "two")
    pair = authority.issue("server", names=("a.example",), addresses=("127.64.0.1",), usage="server")
    certificate = _load(pair.certificate)

    def verify(name: x509.GeneralName, by: Authority) -> None:
        assert isinstance(name, x509.DNSName | x509.IPAddress)
        store = Store([_load(by.certificate)])
        PolicyBuilder().store(store).build_server_verifier(name).verify(certificate, [])

    address = x509.IPAddress(ipaddress.ip_address("127.64.0.1"))
    verify(address, authority)
    verify(x509.DNSName("a.example"), authority)
    with pytest.raises(VerificationError):
        verify(x509.IPAddress(ipaddress.ip_address("127.64.0.2")), authority)
    with pytest.raises(VerificationError):
        verify(address, stranger)


def test_a_clients_certificate_names_user_and_groups_and_is_no_servers(run: RunDirectory) -> None:
    pair = Authority(run, "clients").issue("system:node:n", ("system:nodes", "others"))
    certificate = _load(pair.certificate)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [name.value for name in names] == ["system:node:n"]
    assert [group.value for group in groups] == ["system:nodes", "others"]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_name_issued_twice_leaves_the_first_ones_files_alone(run: RunDirectory) -> None:
    authority = Authority(run, "twice")
    first = authority.issue("user", ("one",))
    before = first.certificate.read_bytes()
    second = authority.issue("user", ("two",))
    assert first.certificate != second.certificate
    assert first.key != second.key
    assert first.certificate.read_bytes() == before


def test_keys_are_closed_and_the_authoritys_own_is_not_on_disk(run: RunDirectory) -> None:
    authority = Authority(run, "closed")
    pair = authority.issue("user")
    signing = SigningKey.create(run, "signing")
    for path in (pair.key, signing.private):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert [path.name for path in pair.key.parent.glob("*.key")] == ["user.key"]
    assert stat.S_IMODE(pair.key.parent.stat().st_mode) == 0o700


def test_each_encryption_key_is_new() -> None:
    assert configuration.encryption() != configuration.encryption()


def test_no_audit_rule_before_the_one_for_secrets_records_bodies() -> None:
    rules = yaml.safe_load(configuration.audit_policy())["rules"]
    positions = [
        number
        for number, rule in enumerate(rules)
        if "secrets" in rule.get("resources", [{}])[0].get("resources", ())
    ]
    assert len(positions) == 1
    assert rules[positions[0]]["level"] == "Metadata"
    assert {rule["level"] for rule in rules[: positions[0]]} <= {"None", "Metadata"}
    assert {rule["level"] for rule in rules} == {"None", "Metadata", "Request"}
    assert "RequestResponse" not in str(rules)
