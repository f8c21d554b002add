"""The allow-list is the shipped role's policy, and holds nothing that changes anything."""

from __future__ import annotations

import botocore.session
import pytest

from deployer.desired import SMOKE_ACCOUNT, SMOKE_ROLE, read
from environments.guard.allowances import allowances

READING = ("Get", "List", "Describe", "Lookup")
LISTED = [(service, name) for service, names in allowances().aws.items() for name in sorted(names)]


def test_the_role_may_do_what_is_allowed_and_nothing_more() -> None:
    (role,) = (each for each in read().roles if each.name == SMOKE_ROLE)
    granted = {
        action for statement in role.statements if not statement.through for action in statement.actions
    }

    allowed = {f"{service}:{name}" for service, name in LISTED if service != "sts"}

    assert allowed == granted


@pytest.mark.parametrize(("service", "operation"), LISTED)
def test_each_operation_exists_and_only_reads(service: str, operation: str) -> None:
    model = botocore.session.get_session().get_service_model(service)

    assert operation in model.operation_names
    assert operation.startswith(READING) or (service, operation) == ("sts", "AssumeRole")


def test_what_is_asked_before_the_identity_is_known_is_allowed_at_all() -> None:
    for service, names in allowances().before_identity.items():
        assert names <= allowances().aws[service]


def test_the_identities_of_smoke_runs_are_deployed() -> None:
    namespace, _ = SMOKE_ACCOUNT.split("/")
    assert namespace == read().namespace
    assert any("smoke-access.yaml" in group.files for group in read().manifests)
