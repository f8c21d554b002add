"""`mita init` and `mita doctor`, and what a real environment refuses, as their users run them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from environments.real import template
from tests.cli.commands import Mita
from tests.cli.test_environment_commands import explained
from tests.real.test_configuration import written


@pytest.fixture
def mita(tmp_path: Path) -> Mita:
    # No credentials, and nobody to ask for some.
    nothing = dict.fromkeys(("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"), "/dev/null")
    return Mita(tmp_path, {**nothing, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": ""})


def test_init_writes_a_configuration_and_leaves_one_that_is_there_alone(mita: Mita, tmp_path: Path) -> None:
    file = tmp_path / "mita.toml"

    done = mita("init", str(file))

    assert done.returncode == 0, done.stderr
    assert f"mita doctor --environment production --config {file}" in done.stdout
    assert file.read_text() == template()
    tomllib.loads(file.read_text())

    file.write_text("# mine")
    explained(mita("init", str(file)), str(file), "no such file")
    assert file.read_text() == "# mine"


def test_init_says_where_it_cannot_write(mita: Mita, tmp_path: Path) -> None:
    explained(mita("init", str(tmp_path / "none" / "mita.toml")), "No such file or directory")


def test_doctor_names_what_is_not_filled_in(mita: Mita, tmp_path: Path) -> None:
    mita("init", str(tmp_path / "mita.toml"))

    done = mita("doctor", "--environment", "production", "--config", str(tmp_path / "mita.toml"))

    assert done.returncode == 1
    assert "aws.account" in done.stdout
    assert done.stdout.endswith("1 lacking.\n")


def test_doctor_names_credentials_that_are_lacking_and_asks_nothing_else(mita: Mita, tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")

    done = mita("doctor", "--environment", "production", "--config", str(config))

    assert done.returncode == 1, done.stderr
    assert "approvals: security approval" in done.stdout
    assert "Unable to locate credentials" in done.stdout
    assert "secretsmanager" not in done.stdout
    assert done.stdout.endswith("1 lacking.\n"), "approvals are not needed to read"


def test_doctor_says_that_the_embedded_environment_does_not_run(mita: Mita) -> None:
    done = mita("doctor")

    assert done.returncode == 1
    assert "Start it: mita up" in done.stdout


def test_deploying_into_a_real_environment_wants_every_approval(mita: Mita, tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")

    done = mita("deploy", "--environment", "production", "--config", str(config), "--authorise", "CHG-1234")

    explained(done, "security approval, compliance sign-off, emergency contacts, incident procedure")
    assert str(tmp_path / "approvals.toml") in done.stderr
