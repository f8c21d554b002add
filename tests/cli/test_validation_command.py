"""`mita validate encryption` and the guide's script, as a shell sees them."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deployer.compliance.facts import Facts, Sources, Suspect, Trail, Unknown
from deployer.compliance.waivers import Waiver
from mita.cli import main
from tests.compliance.ground import COMPLIANT, report

SCRIPT = Path(__file__).parents[2] / "scripts" / "secret-encryption-validator.py"
SUSPECT = Suspect("values.yaml:3", "Secret Keyword", "1228eae8c589")
VIOLATED = replace(COMPLIANT, sources=Sources(1, (SUSPECT,)))
WHERE = "CloudTrail at https://cloudtrail.us-east-1.amazonaws.com"
UNREACHABLE = replace(COMPLIANT, cloud_trail=Unknown(WHERE, "ConnectTimeoutError"))
WAIVERS = '[[waivers]]\ncontrol = "hardcoded-secrets"\nowner = "us"\nreason = "an example"\n'


@dataclass(frozen=True)
class Standing:
    name: str = "embedded"

    def connections(self) -> None:
        """Nobody looks at them here."""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


class Shell:
    """Runs the command in this process, on facts that are handed to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def find(self, facts: Facts) -> None:
        def validated(*_: object, waivers: tuple[Waiver, ...], **__: object) -> object:
            return report(facts, *waivers)

        self._monkeypatch.setattr("mita.validation_commands.attached", lambda *_, **__: Standing())
        self._monkeypatch.setattr("mita.validation_commands.validated", validated)

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["mita", "validate", "encryption", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        written = self._capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, written.out, written.err)


@pytest.fixture
def mita(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.setenv("MITA_STATE", str(tmp_path))
    return Shell(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("facts", "code", "status"),
    [(COMPLIANT, 0, "COMPLIANT"), (VIOLATED, 3, "NON_COMPLIANT"), (UNREACHABLE, 4, "INCOMPLETE")],
)
def test_only_compliant_ends_with_0(
    mita: Shell, tmp_path: Path, facts: Facts, code: int, status: str
) -> None:
    mita.find(facts)
    output = tmp_path / "report.json"
    ended = mita("--format", "json", "--output", str(output))
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(status + " after ")
    assert json.loads(output.read_text())["compliance_status"] == status


def test_a_violation_is_told_with_its_place_and_what_to_do(mita: Shell) -> None:
    mita.find(VIOLATED)
    ended = mita()
    assert "failed hardcoded-secrets: values.yaml:3: text that looks like a secret" in ended.err
    assert "Move it into Secrets Manager" in ended.err
    assert ended.out.startswith("# Encryption validation: NON\\_COMPLIANT")


def test_an_endpoint_that_does_not_answer_is_named(mita: Shell) -> None:
    mita.find(UNREACHABLE)
    assert f"not checked audit-trail-aws: {WHERE}: ConnectTimeoutError" in mita().err


def test_a_waiver_is_read_from_its_file(mita: Shell, tmp_path: Path) -> None:
    mita.find(VIOLATED)
    file = tmp_path / "waivers.toml"
    file.write_text(WAIVERS + "expires = 9999-12-31\n")
    assert mita("--waivers", str(file)).code == 0


def test_a_waiver_without_an_end_is_refused_before_anything_is_asked(mita: Shell, tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(WAIVERS)
    ended = mita("--waivers", str(file))
    assert ended.code == 1
    assert "waiver 1 without expires" in ended.err


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_asked(
    mita: Shell, tmp_path: Path
) -> None:
    ended = mita("--output", str(tmp_path / "none" / "report.json"))
    assert ended.code == 1
    assert "no directory" in ended.err


def test_an_output_that_is_a_directory_is_a_usage_error(mita: Shell, tmp_path: Path) -> None:
    assert mita("--output", str(tmp_path)).code == 2


def test_an_unknown_format_is_named_with_those_there_are(mita: Shell) -> None:
    ended = mita("--format", "xml")
    assert ended.code == 2
    assert "'json', 'markdown', 'html'" in ended.err


def test_an_environment_that_does_not_run_is_refused(mita: Shell) -> None:
    ended = mita()
    assert ended.code == 1
    assert "mita up" in ended.err


def test_a_report_on_standard_output_is_nothing_but_the_report(mita: Shell) -> None:
    mita.find(replace(COMPLIANT, cluster_trail=Trail(None)))
    ended = mita("--format", "json")
    assert json.loads(ended.out)["compliance_status"] == "NON_COMPLIANT"


def test_the_guides_options_are_the_commands() -> None:
    translated = runpy.run_path(str(SCRIPT))["translated"]
    given = ["--environment", "production", "--report-format", "json", "--output-file=/tmp/report.json"]
    assert translated(given) == [
        *("--environment", "production", "--format", "json", "--output=/tmp/report.json"),
    ]


def test_the_script_ends_as_the_command_does(tmp_path: Path) -> None:
    output = tmp_path / "none" / "report.json"
    ended = subprocess.run(
        [sys.executable, SCRIPT, "--report-format", "json", "--output-file", output],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert str(output) in ended.stderr
