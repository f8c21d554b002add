"""What is written for those who go through the guide by hand."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml

from deployer.connections import Connections, HelmChart
from deployer.desired import read
from deployer.errors import ConfigurationError
from deployer.handwork import write_artifacts


@pytest.fixture
def connections(tmp_path: Path) -> Connections:
    chart = tmp_path / "operator"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("name: external-secrets")
    return Mock(
        Connections,
        account="123456789012",
        region="us-east-1",
        operator_chart=HelmChart(str(chart)),
        operator_values={"extraEnv": [{"name": "AWS_STS_ENDPOINT", "value": "http://127.64.0.3:4566"}]},
        application_values={},
        manifest_values={"ALERT_FOR": "7s"},
    )


def test_manifests_lie_under_the_guides_paths_with_nothing_left_to_fill_in(
    connections: Connections, tmp_path: Path
) -> None:
    into = tmp_path / "out"
    write_artifacts(read(), connections, into)
    manifests = into / "k8s" / "external-secrets"
    assert {path.name for path in manifests.iterdir()} == {
        "namespace.yaml",
        "service-account.yaml",
        "secret-stores.yaml",
        "smoke-access.yaml",
        "mita-secrets.yaml",
    }
    assert all("${" not in path.read_text() for path in manifests.iterdir())
    account = yaml.safe_load((manifests / "service-account.yaml").read_text())
    role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role == "arn:aws:iam::123456789012:role/mita-production-external-secrets"
    assert (into / "k8s" / "mita" / "Chart.yaml").is_file()
    # The environment's value has taken the place of the desired state's.
    assert "for: 7s" in (into / "monitoring" / "secret-management" / "prometheus-rules.yaml").read_text()


def test_the_operators_values_are_the_guides_and_the_environments(
    connections: Connections, tmp_path: Path
) -> None:
    write_artifacts(read(), connections, tmp_path / "out")
    values = yaml.safe_load((tmp_path / "out" / "external-secrets-values.yaml").read_text())
    assert values["installCRDs"] is True
    assert values["image"] == {"tag": "v0.9.9"}
    assert values["extraEnv"][0]["name"] == "AWS_STS_ENDPOINT"


def test_nothing_is_written_over(connections: Connections, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ConfigurationError, match="an empty directory"):
        write_artifacts(read(), connections, tmp_path)
