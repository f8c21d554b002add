"""What the catalogue promises, and the command that shows it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from deployer.progress import silent
from environments.embedded.toolchain import ALL, ensure
from environments.embedded.toolchain.__main__ import main
from environments.embedded.toolchain.artefact import Artefact
from environments.embedded.toolchain.catalogue import CATALOGUE
from environments.embedded.toolchain.program import Program

ARTEFACTS = pytest.mark.parametrize("artefact", CATALOGUE.values(), ids=CATALOGUE)
ASKED = [each for each in CATALOGUE.values() if isinstance(each, Program) and each.ask is not None]


def test_holds_what_the_other_rooms_start() -> None:
    assert set(ALL) == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "helm",
        "external-secrets",
        "operator_chart",
        "prometheus",
        "promtool",
        "alertmanager",
    }


@ARTEFACTS
def test_pins_every_module_by_its_hash(artefact: Artefact) -> None:
    sums = (artefact.directory / "go.sum").read_text()
    assert f"{artefact.module} {artefact.version} h1:" in sums


def test_etcd_is_the_one_that_kubernetes_is_released_with() -> None:
    assert (CATALOGUE["kube-apiserver"].version, CATALOGUE["etcd"].version) == ("v1.36.3", "v3.6.8")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH and an empty cache."""
    monkeypatch.setenv("MITA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def test_the_list_tells_what_is_to_be_built_and_builds_nothing(bare: Path) -> None:
    shown = CliRunner().invoke(main, ["--list"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert [line.split()[0] for line in lines] == list(ALL)
    assert all("to build (about" in line for line in lines)
    assert not (bare / "cache").exists()


def test_the_list_tells_where_a_program_is(bare: Path) -> None:
    program = bare / "helm"
    program.write_text(f"#!/bin/sh\necho {CATALOGUE['helm'].version}+g0123abc\n")
    program.chmod(0o755)
    shown = CliRunner().invoke(main, ["--list", "helm"])
    assert shown.output.split() == ["helm", CATALOGUE["helm"].version, "PATH:", str(program)]


def test_an_error_is_four_lines(bare: Path) -> None:
    (bare / "cache").write_text("not a directory")
    shown = CliRunner().invoke(main, ["helm"])
    assert shown.exit_code == 1
    labels = [line.split()[0] for line in shown.stderr.splitlines()]
    assert labels == ["failed", "expected", "seen", "remedy"]


def test_help_shows_examples() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert "python -m environments.embedded.toolchain --list" in shown.output


@pytest.mark.embedded
@pytest.mark.parametrize("program", ASKED, ids=lambda program: program.name)
def test_every_program_tells_the_pinned_version(program: Program) -> None:
    path = ensure(silent, [program.name])[program.name]
    assert program.installed_version(path) == program.version


@pytest.mark.embedded
def test_helm_assumes_the_kubernetes_of_its_release(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: one\nversion: 1.0.0\n")
    (tmp_path / "templates" / "version.yaml").write_text("version: {{ .Capabilities.KubeVersion }}\n")
    helm = ensure(silent, ["helm"])["helm"]
    shown = subprocess.run([helm, "template", tmp_path], capture_output=True, text=True, check=True)
    assert "version: v1.37.0" in shown.stdout


@pytest.mark.embedded
def test_the_operators_webhook_takes_its_address_from_the_environment() -> None:
    tools = ensure(silent, ["external-secrets"])
    assert b"WEBHOOK_BIND_ADDRESS" in tools["external-secrets"].read_bytes()
