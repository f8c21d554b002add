"""`mita plan` and `mita deploy`, as a shell sees them."""

import dataclasses
import json
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.connections import Connections
from deployer.desired import PRODUCTION
from deployer.errors import NotReadyError
from environments.protocol import Capability
from mita.cli import main
from tests.deployer.conftest import Place

PLACEHOLDER = '"external/openai-api-key" = "sk-YOUR_ACTUAL_OPENAI_API_KEY_HERE"'


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def explanation(self) -> dict[str, str]:
        """The four lines by their labels."""
        lines = self.err.splitlines()
        assert len(lines) == 4, self.err
        return {line[:9].strip(): line[10:] for line in lines}


class Shell:
    """Runs `mita` in this process, in a place that is handed to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def enter(self, connections: Connections) -> None:
        """Have commands find this place running."""

        @dataclass(frozen=True)
        class Standing:
            name: str = "embedded"
            capabilities: frozenset[Capability] = frozenset({Capability.CHANGES_ALLOWED})

            def connections(self) -> Connections:
                return connections

        self._monkeypatch.setattr("mita.deployment_commands.attached", lambda *_, **__: Standing())

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["mita", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        written = self._capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Ended(end.value.code, written.out, written.err)


@pytest.fixture
def mita(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """The command, with a state directory of the test's own and nothing running."""
    monkeypatch.setenv("MITA_STATE", str(tmp_path))

    def nothing(*_: object, **__: object) -> None:
        raise NotReadyError("environment embedded", expected="one that runs", seen="none", remedy="mita up")

    monkeypatch.setattr("mita.deployment_commands.attached", nothing)
    return Shell(monkeypatch, capsys)


@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_help_has_examples(mita: Shell, command: str) -> None:
    ended = mita(command, "--help")
    assert ended.code == 0
    assert f"Examples:\n    mita {command}" in ended.out


@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_an_environment_that_does_not_run_is_refused(mita: Shell, command: str) -> None:
    ended = mita(command)
    assert ended.code == 1
    assert ended.explanation["to do"] == "mita up"


@pytest.mark.parametrize("arguments", [["--unknown"], ["--through"], ["surplus"]])
def test_a_usage_error_of_plan_is_no_plan_with_changes(mita: Shell, arguments: list[str]) -> None:
    ended = mita("plan", *arguments)
    assert ended.code == 1
    assert "Error: " in ended.err


@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_an_unknown_phase_is_explained_before_anything_is_asked(mita: Shell, command: str) -> None:
    ended = mita(command, "--through", "rotations")
    assert ended.code == 1
    assert ended.explanation["failed"] == "phase rotations"
    assert "4 (application)" in ended.explanation["expected"]


@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_an_unknown_secret_is_explained_before_anything_is_asked(mita: Shell, command: str) -> None:
    assert mita(command, "--replace-secret", "auth/jwt").explanation["failed"] == "secret auth/jwt"


@pytest.mark.parametrize(
    ("pattern", "replacement", "failed"),
    [
        (r"rotation_days = 365", "rotation_days = 'often'", "key.rotation_days"),
        (r"rotation_days", "rotations_days", "key.rotations_days"),
        (r'name = "auth/jwt-secret"', 'name = "app/secret-key"', "secrets"),
        (r"\[key\]", "[key", ""),
    ],
)
def test_a_desired_state_that_cannot_be_used_is_explained(
    mita: Shell, tmp_path: Path, pattern: str, replacement: str, failed: str
) -> None:
    file = tmp_path / "production.toml"
    text, count = re.subn(pattern, replacement, PRODUCTION.read_text(encoding="utf-8"), count=1)
    assert count == 1
    file.write_text(text, encoding="utf-8")
    for command in ("plan", "deploy"):
        ended = mita(command, "--desired", str(file))
        assert ended.code == 1
        assert ended.explanation["failed"].startswith(str(file))
        assert failed in ended.explanation["failed"]


def test_a_placeholder_is_explained_before_anything_is_asked(mita: Shell, tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text(PLACEHOLDER, encoding="utf-8")
    file.chmod(0o600)
    ended = mita("deploy", "--secrets-file", str(file))
    assert ended.code == 1
    assert ended.explanation["seen"] == "a placeholder"
    assert "YOUR_ACTUAL" not in ended.err


def test_a_plan_on_file_leaves_no_other_choices(mita: Shell, tmp_path: Path) -> None:
    ended = mita("deploy", "--plan", str(tmp_path / "plan"), "--through", "1")
    assert ended.code == 2
    assert "leave out --through" in ended.err


@pytest.mark.embedded
class TestInAPlace:
    @pytest.fixture(autouse=True)
    def entered(self, mita: Shell, place: Place) -> None:
        mita.enter(place.connections)

    def test_plan_deploy_and_plan_again(self, mita: Shell, place: Place, tmp_path: Path) -> None:
        first = mita("plan", "--through", "1")
        assert (first.code, first.err) == (2, "")
        assert "  + create    secret/mita-finance/production/app/secret-key: there is no such" in first.out
        assert "\n12 to create; 0 as desired.\n" in first.out
        deployed = mita("deploy", "--through", "aws-infrastructure")
        assert deployed.code == 0
        assert "changes made: 12, all 12 objects verified, in " in deployed.out
        assert "phase 1: secret/mita-finance/production/app/secret-key: done" in deployed.err
        receipts = Path(deployed.out.rpartition("Receipts: ")[2].strip())
        assert receipts.is_relative_to(tmp_path)
        assert stat.S_IMODE(receipts.stat().st_mode) == 0o600
        again = mita("plan", "--through", "1")
        assert again.code == 0
        assert again.out.endswith("No change: all 12 objects are as desired.\n")
        place.calls.clear()
        assert "nothing to change, all 12 objects verified" in mita("deploy", "--through", "1").out
        assert {call.split(":")[1][:3] for call in place.calls} <= {"Get", "Lis", "Des"}

    def test_a_plan_for_machines(self, mita: Shell) -> None:
        ended = mita("plan", "--through", "1", "--json")
        data = json.loads(ended.out)
        assert ended.code == 2
        assert {change["action"] for change in data["changes"]} == {"create"}

    def test_a_plan_on_file_is_applied_once(self, mita: Shell, tmp_path: Path) -> None:
        file = tmp_path / "change.plan"
        assert mita("plan", "--through", "1", "--out", str(file)).code == 2
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert mita("deploy", "--plan", str(file)).code == 0
        ended = mita("deploy", "--plan", str(file))
        assert ended.code == 1
        assert "changed since: " in ended.explanation["seen"]

    def test_a_loss_is_shown_and_refused_unless_named(self, mita: Shell, place: Place) -> None:
        old = "mita-finance/production/app/old"
        mita("deploy", "--through", "1")
        place.aws("secretsmanager").create_secret(
            Name=old, Tags=[{"Key": "ManagedBy", "Value": "mita-deployer"}]
        )
        for command in ("plan", "deploy"):
            ended = mita(command, "--through", "1")
            assert ended.code == 1
            assert f"  - destroy   secret/{old}: " in ended.out
            assert f"--allow-destroy secret/{old}" in ended.explanation["to do"]
        assert mita("plan", "--through", "1", "--allow-destroy", f"secret/{old}").code == 2
        assert mita("deploy", "--through", "1", "--allow-destroy", f"secret/{old}").code == 0

    def test_a_missing_value_is_named_before_anything_changes(self, mita: Shell, place: Place) -> None:
        ended = mita("deploy", "--through", "3")
        assert ended.code == 1
        assert ended.err.count("external/openai-api-key needs") == 1
        assert place.aws("kms").list_keys()["Keys"] == []

    def test_another_account_is_refused(self, mita: Shell, place: Place) -> None:
        mita.enter(dataclasses.replace(place.connections, account="123456789012"))
        for command in ("plan", "deploy"):
            ended = mita(command, "--through", "1")
            assert ended.code == 1
            assert ended.explanation["expected"] == "account 123456789012"
        assert place.aws("kms").list_keys()["Keys"] == []

    def test_a_rehearsal_is_refused_in_a_real_account(self, mita: Shell) -> None:
        assert mita("deploy", "--rehearse").explanation["failed"] == "rehearsal"
