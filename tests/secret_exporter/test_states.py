"""What the exporter makes of answers from AWS and Kubernetes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from secret_exporter.states import KeyState, OperatorObject, SecretState, principal_of, unexpected_reads

Json = dict[str, Any]
ROLE = "arn:aws:iam::000000000000:role/reader"


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def version(name: str, made: float, *stages: str) -> Json:
    return {"VersionId": name, "CreatedDate": moment(made), "VersionStages": list(stages)}


def state(*versions: Json, **described: Any) -> SecretState:  # noqa: ANN401  any JSON
    answer = {"CreatedDate": moment(5), **described}
    return SecretState.of("a/b", answer, versions, most_days=2)


def test_a_secret_is_as_old_as_its_current_version() -> None:
    found = state(version("1", 10, "AWSPREVIOUS"), version("2", 100, "AWSCURRENT"))
    assert (found.name, found.changed) == ("a/b", 100)


def test_one_without_a_value_is_as_old_as_itself() -> None:
    assert state().changed == 5


def test_a_schedule_says_when_it_is_to_change() -> None:
    found = state(
        version("1", 100, "AWSCURRENT"),
        RotationEnabled=True,
        NextRotationDate=moment(5000),
        LastRotatedDate=moment(100),
    )
    assert (found.rotation_enabled, found.next_rotation, found.last_rotation) == (True, 5000, 100)


def test_without_one_its_age_does() -> None:
    found = state(version("1", 100, "AWSCURRENT"))
    assert (found.rotation_enabled, found.next_rotation, found.last_rotation) == (
        False,
        100 + 2 * 86400,
        None,
    )


@pytest.mark.parametrize(
    ("versions", "since"),
    [
        ([version("1", 10, "AWSCURRENT"), version("2", 20, "AWSPENDING")], 20),
        ([version("1", 10, "AWSCURRENT")], None),
        # As AWS leaves it after a rotation: nothing is waiting.
        ([version("1", 10, "AWSPREVIOUS"), version("2", 20, "AWSCURRENT", "AWSPENDING")], None),
    ],
)
def test_only_a_version_that_is_not_current_is_pending(versions: list[Json], since: float | None) -> None:
    assert state(*versions).pending_since == since


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"Enabled": True, "KeyState": "Enabled"}, KeyState("k", enabled=True, deletion=None)),
        ({"Enabled": False, "KeyState": "Disabled"}, KeyState("k", enabled=False, deletion=None)),
        (
            {"Enabled": False, "KeyState": "PendingDeletion", "DeletionDate": moment(9)},
            KeyState("k", enabled=False, deletion=9),
        ),
    ],
)
def test_a_key_is_as_it_is_described(metadata: Json, expected: KeyState) -> None:
    assert KeyState.of("k", {"KeyMetadata": metadata}) == expected


def item(**status: Any) -> Json:  # noqa: ANN401  any JSON
    return {"metadata": {"namespace": "n", "name": "s"}, "status": status}


def ready(value: str) -> list[Json]:
    return [{"type": "Deleted", "status": "False"}, {"type": "Ready", "status": value}]


def test_an_external_secret_tells_its_last_sync() -> None:
    found = OperatorObject.of(
        "ExternalSecret", item(conditions=ready("True"), refreshTime="1970-01-01T00:01:00Z")
    )
    assert found == OperatorObject("ExternalSecret", "n", "s", ready=True, synced=60)


@pytest.mark.parametrize("status", [{}, {"conditions": ready("False")}, {"conditions": ready("Unknown")}])
def test_what_the_operator_does_not_call_ready_is_not(status: Json) -> None:
    found = OperatorObject.of("SecretStore", item(**status))
    assert (found.ready, found.synced) == (False, None)


def read(secret: str | None, **identity: Any) -> Json:  # noqa: ANN401  any JSON
    asked = None if secret is None else {"secretId": secret}
    return {"CloudTrailEvent": json.dumps({"requestParameters": asked, "userIdentity": identity})}


def test_reads_by_others_are_counted_whether_by_name_or_arn() -> None:
    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:mita/a-AbCdEf"
    events = [
        read("mita/a", arn="arn:x"),
        read(arn, arn="arn:x"),
        read("mita/a", arn="arn:y"),
        read("mita/a", sessionContext={"sessionIssuer": {"arn": ROLE}}, arn="arn:session"),
        read("elsewhere/a", arn="arn:x"),
        read(None, arn="arn:x"),
    ]
    assert unexpected_reads(events, prefix="mita/", expected={ROLE}) == {"arn:x": 2, "arn:y": 1}


def test_who_cannot_be_named_is_not_passed_over() -> None:
    assert principal_of({}) == "unknown"
    assert unexpected_reads([read("mita/a")], prefix="mita/", expected={ROLE}) == {"unknown": 1}
