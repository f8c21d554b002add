"""What a pod is told about itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from environments.embedded.node.downward import Surroundings, field_value, quantity, resource_value

SURROUNDINGS = Surroundings("127.70.64.1", "127.70.0.10", {"cpu": "64", "memory": "256Gi"})
POD: dict[str, Any] = {
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "labels": {"b": 'with "quotes"', "a/x": "1"},
        "annotations": {"note": "two\nlines"},
    },
    "spec": {
        "nodeName": "mita-node",
        "serviceAccountName": "sa",
        "containers": [
            {"name": "c", "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}},
            {"name": "d"},
        ],
    },
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['a/x']", "1"),
        ("metadata.labels['none']", ""),
        ("metadata.labels", 'a/x="1"\nb="with \\"quotes\\""'),
        ("metadata.annotations", 'note="two\\nlines"'),
        ("spec.nodeName", "mita-node"),
        ("spec.serviceAccountName", "sa"),
        ("status.podIP", "127.70.64.1"),
        ("status.hostIP", "127.70.0.10"),
    ],
)
def test_fields(path: str, value: str) -> None:
    assert field_value(POD, path, SURROUNDINGS) == value


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(LookupError, match="spec"):
        field_value(POD, "spec.hostname", SURROUNDINGS)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "requests.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "limits.memory"}, str(2**30)),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "1024"),
        ({"resource": "limits.memory", "divisor": "0"}, str(2**30)),
        ({"resource": "limits.cpu"}, "64"),
        ({"resource": "limits.memory", "containerName": "d", "divisor": "1Gi"}, "256"),
        ({"resource": "requests.memory"}, "0"),
    ],
)
def test_resources(reference: dict[str, Any], value: str) -> None:
    assert resource_value(POD, reference, "c", SURROUNDINGS) == value


@pytest.mark.parametrize("reference", [{"resource": "limits.cpu", "containerName": "x"}, {"resource": "cpu"}])
def test_an_unknown_container_or_resource_is_an_error(reference: dict[str, Any]) -> None:
    with pytest.raises(LookupError):
        resource_value(POD, reference, "c", SURROUNDINGS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1500m", "1.5"),
        ("2k", 2000),
        ("1Ki", 1024),
        ("1.5Gi", 1.5 * 2**30),
        ("1e3", 1000),
        ("5E", 5 * 10**18),
    ],
)
def test_quantities(text: str, value: str | float) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1Q", "1mi", "a1"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(LookupError):
        quantity(text)
