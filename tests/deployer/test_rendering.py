from pathlib import Path

import pytest

from deployer.changes import HIDDEN
from deployer.errors import ConfigurationError
from deployer.rendering import condition, documents, drift, render

MANIFEST = """
apiVersion: v1
kind: ServiceAccount
metadata:
  name: x
  annotations: {role: "${ROLE_ARN}", price: "$$1"}
---
---
apiVersion: v1
kind: Namespace
metadata: {name: y}
"""


def test_placeholders_are_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(MANIFEST)
    account, namespace = render(file, {"ROLE_ARN": "arn:aws:iam::1:role/r", "REGION": "us-east-1"})
    assert account["metadata"]["annotations"] == {"role": "arn:aws:iam::1:role/r", "price": "$1"}
    assert namespace["kind"] == "Namespace"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a: ${NOBODY_KNOWS}", "${NOBODY_KNOWS}"),
        ("a: $-", "Invalid placeholder"),
        ("a: [", "at line"),
        ("- 1", "a document without them"),
        ("kind: Secret", "a document without them"),
    ],
)
def test_an_unusable_manifest_is_named(tmp_path: Path, text: str, seen: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        render(file, {"REGION": "us-east-1"})
    assert caught.value.subject == str(file)
    assert seen in caught.value.seen


def test_what_the_server_writes_is_no_drift() -> None:
    live = {
        "kind": "Deployment",
        "metadata": {"name": "x", "resourceVersion": "1", "generation": 1, "managedFields": [1]},
        "spec": {"replicas": 5},
        "status": {"replicas": 5},
    }
    same = live | {"metadata": {"name": "x", "resourceVersion": "2", "managedFields": []}, "status": {}}
    assert drift(live, same) == ()
    (found,) = drift(live, same | {"spec": {"replicas": 3}})
    assert (found.path, found.before, found.after) == ("spec.replicas", "5", "3")


def test_a_secrets_data_is_not_shown() -> None:
    live = {"kind": "Secret", "metadata": {"name": "x"}, "data": {"password": "aHVzaA=="}}
    (found,) = drift(live, live | {"data": {"password": "cXVpZXQ="}})
    assert (found.path, found.before, found.after) == ("data.password", HIDDEN, HIDDEN)


def test_conditions_go_by_type() -> None:
    item = documents(
        "{apiVersion: v1, kind: X, metadata: {}, status: {conditions: [{type: Ready, status: 'True'}]}}", "x"
    )[0]
    assert condition(item, "Ready") == {"type": "Ready", "status": "True"}
    assert condition(item, "Other") is None
    assert condition({"metadata": {}}, "Ready") is None
