"""The operator's chart as a release has it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.errors import MissingToolError
from deployer.progress import silent
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import Tools, ensure
from environments.embedded.toolchain.chart import as_template, assemble

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  annotations:
    a: b
  name: things.example.invalid
spec:
  names:
    kind: Thing
    singular: thing
  versions:
    - schema:
        description: 'Written as {{ .name }}'
  conversion:
    strategy: Webhook
    webhook:
      clientConfig:
        service:
          name: kubernetes
          namespace: default
          path: /convert
"""


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """An operator's deploy directory, read-only as in Go's module cache."""
    chart = tmp_path / "deploy" / "charts" / "external-secrets"
    (chart / "templates" / "crds").mkdir(parents=True)
    (chart / "templates" / "crds" / "README.md").write_text("made at packaging\n")
    (chart / "Chart.yaml").write_text('name: external-secrets\nversion: "0.9.8"\nappVersion: "v0.9.8"\n')
    (chart / "Chart.yaml").chmod(0o444)
    crds = tmp_path / "deploy" / "crds"
    crds.mkdir()
    (crds / "bundle.yaml").write_text(DEFINITION)
    return tmp_path / "deploy"


def test_the_chart_carries_the_operators_version(deploy: Path, tmp_path: Path) -> None:
    assemble(deploy, tmp_path / "chart", "v0.9.9")
    described = yaml.safe_load((tmp_path / "chart" / "Chart.yaml").read_text())
    assert described == {"name": "external-secrets", "version": "0.9.9", "appVersion": "v0.9.9"}
    assert [path.name for path in (tmp_path / "chart" / "templates" / "crds").iterdir()] == ["thing.yaml"]


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        ("Thing", "{{- if .Values.installCRDs }}"),
        ("ClusterThing", "{{- if and .Values.installCRDs .Values.crds.createClusterThing }}"),
        ("PushSecret", "{{- if and .Values.installCRDs .Values.crds.createPushSecret }}"),
    ],
)
def test_a_definition_is_installed_on_demand(kind: str, condition: str) -> None:
    assert as_template(DEFINITION.replace("kind: Thing", f"kind: {kind}")).splitlines()[0] == condition


@pytest.mark.parametrize(
    "line", ["  annotations:", "  conversion:", "          name: kubernetes", "          namespace: default"]
)
def test_a_definition_that_lacks_a_line_to_be_templated_is_refused(line: str) -> None:
    with pytest.raises(MissingToolError) as failure:
        as_template(DEFINITION.replace(line + "\n", ""))
    assert line.strip() in failure.value.expected


@pytest.fixture(scope="module")
def tools() -> Tools:
    return ensure(silent, ["helm", "operator_chart"])


def _definitions(text: str) -> dict[str, dict[str, Any]]:
    documents: Iterator[dict[str, Any]] = filter(None, yaml.safe_load_all(text))
    return {
        each["metadata"]["name"]: each for each in documents if each["kind"] == "CustomResourceDefinition"
    }


def _rendered(tools: Tools, *settings: str, chart: Path | None = None) -> dict[str, dict[str, Any]]:
    argv = [str(tools["helm"]), "template", "released", str(chart or tools.operator_chart)]
    argv += ["--namespace", "there"]
    flags = [part for setting in settings for part in ("--set", setting)]
    return _definitions(subprocess.run([*argv, *flags], capture_output=True, text=True, check=True).stdout)


@pytest.mark.embedded
def test_helm_renders_the_bundles_own_definitions(tools: Tools) -> None:
    module = cache_directory() / "go/modules/github.com/external-secrets/external-secrets@v0.9.9"
    if not module.exists():
        pytest.skip("Go's module cache, which the chart was made from, has been removed since")
    bundle = _definitions((module / "deploy/crds/bundle.yaml").read_text())
    rendered = _rendered(tools, "installCRDs=true")
    assert len(bundle) == 11
    for definition in bundle.values():
        service = definition["spec"]["conversion"]["webhook"]["clientConfig"]["service"]
        service |= {"name": "released-external-secrets-webhook", "namespace": "there"}
    assert rendered == bundle


@pytest.mark.embedded
def test_the_charts_values_decide_about_the_definitions(tools: Tools) -> None:
    assert _rendered(tools, "installCRDs=false") == {}
    assert len(_rendered(tools, "crds.createPushSecret=false")) == 10
    without = _rendered(tools, "crds.conversion.enabled=false")
    assert not any("conversion" in each["spec"] for each in without.values())
    noted = _rendered(tools, "crds.annotations.a=b", "webhook.certManager.enabled=true")
    for each in noted.values():
        annotations = each["metadata"]["annotations"]
        assert annotations["a"] == "b"
        assert annotations["cert-manager.io/inject-ca-from"] == "there/released-external-secrets-webhook"


@pytest.mark.embedded
def test_braces_in_a_description_come_through(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: one\nversion: 1.0.0\n")
    (tmp_path / "values.yaml").write_text(
        "installCRDs: true\ncrds: {conversion: {enabled: true}}\nwebhook: {certManager: {}}\n"
    )
    (tmp_path / "templates" / "_helpers.tpl").write_text(
        '{{ define "external-secrets.fullname" }}one{{ end }}'
    )
    (tmp_path / "templates" / "thing.yaml").write_text(as_template(DEFINITION))
    thing = _rendered(tools, chart=tmp_path)["things.example.invalid"]
    assert thing["spec"]["versions"][0]["schema"]["description"] == "Written as {{ .name }}"
