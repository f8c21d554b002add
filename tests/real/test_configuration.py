"""What describes a real environment is read strictly, and opens nothing by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.approvals import WHAT, key
from deployer.errors import ConfigurationError, MissingToolError, RefusedError
from environments.guard import ReadOnlyEnvironment
from environments.protocol import Capability
from environments.real import template
from environments.real.configuration import read_configuration
from environments.real.environment import RealEnvironment
from environments.registry import create, read_only

ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"


def written(path: Path, *changes: tuple[str, str]) -> Path:
    text = template()
    filled_in = (
        ('account = ""', 'account = "123456789012"'),
        ('context = ""', 'context = "production"'),
        ('oidc_issuer = ""', f'oidc_issuer = "{ISSUER}"'),
    )
    for before, after in (*filled_in, *changes):
        assert before in text, before
        text = text.replace(before, after)
    path.write_text(text)
    return path


def approved(path: Path, until: str = "9999-12-31") -> Path:
    approval = f'who = "the role"\nwhen = 2026-01-01\nuntil = {until}\nwhere = "a ticket"\n'
    path.write_text("".join(f"[{key(what)}]\n{approval}" for what in WHAT))
    return path


def test_the_template_becomes_a_configuration_when_what_is_empty_is_filled_in(tmp_path: Path) -> None:
    read = read_configuration(written(tmp_path / "mita.toml"))

    assert (read.aws.account, read.cluster.context) == ("123456789012", "production")
    assert read.approvals == tmp_path / "approvals.toml"
    assert read.cluster.kubeconfig == Path("~/.kube/config").expanduser()
    assert read.shown == frozenset()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (('account = "123456789012"', 'account = ""'), "aws.account"),
        (('account = "123456789012"', 'account = "1234"'), "aws.account"),
        (('region = "us-east-1"', 'region = "mars"'), "aws.region"),
        (('# role = "arn:aws:iam::ACCOUNT:', 'role = "arn:aws:iam::999999999999:'), "aws"),
        (('context = "production"', ""), "cluster.context"),
        (("[budget]", '[budget]\nretries = "none"'), "budget.retries"),
        (("seconds = 300", "seconds = 0"), "budget.seconds"),
        (("capabilities = []", 'capabilities = ["changes-allowed"]'), "changes-allowed cannot be claimed"),
        (("capabilities = []", 'capabilities = ["etcd-access"]'), "etcd-access cannot be claimed"),
        (("capabilities = []", 'capabilities = ["grafana"]'), "needs endpoints.grafana"),
        (("[helm]", "[helm"), "TOML"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, change: tuple[str, str], place: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_configuration(written(tmp_path / "mita.toml", change))

    assert place in str(refused.value)


def test_endpoints_say_what_can_be_shown(tmp_path: Path) -> None:
    change = ('# prometheus = "https', 'prometheus = "https')
    assert read_configuration(written(tmp_path / "mita.toml", change)).shown == {Capability.MONITORING}


def test_a_helm_that_is_not_there_is_named(tmp_path: Path) -> None:
    change = ('program = "helm"', f'program = "{tmp_path}/none"')
    with pytest.raises(MissingToolError, match="Helm"):
        read_configuration(written(tmp_path / "mita.toml", change)).require_helm()


# ---- who may change it


def test_a_real_environment_is_only_read(tmp_path: Path) -> None:
    place = create("production", written(tmp_path / "mita.toml"))

    assert isinstance(place, ReadOnlyEnvironment)
    assert Capability.CHANGES_ALLOWED not in place.capabilities
    assert read_only(place) is place


def test_an_authorised_change_needs_every_approval(tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")

    with pytest.raises(RefusedError, match="security approval, compliance sign-off"):
        create("production", config, authorise="CHG-1234")


def test_an_approval_that_has_lapsed_is_none(tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")
    approved(tmp_path / "approvals.toml", until="2026-01-02")

    with pytest.raises(RefusedError, match="lapsed on 2026-01-02"):
        create("production", config, authorise="CHG-1234")


def test_an_approved_and_authorised_change_may_be_made(tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")
    approved(tmp_path / "approvals.toml")

    place = create("production", config, authorise="CHG-1234")

    assert isinstance(place, RealEnvironment)
    assert Capability.CHANGES_ALLOWED in place.capabilities


def test_approvals_alone_authorise_nothing(tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")
    approved(tmp_path / "approvals.toml")

    assert Capability.CHANGES_ALLOWED not in create("production", config).capabilities


@pytest.mark.parametrize("change", ["", "x", "yes please", "-1234"])
def test_a_change_has_an_id(tmp_path: Path, change: str) -> None:
    with pytest.raises(ConfigurationError, match="--authorise"):
        create("production", written(tmp_path / "mita.toml"), authorise=change)


def test_a_run_that_only_reads_is_not_one_with_an_authorised_change(tmp_path: Path) -> None:
    config = written(tmp_path / "mita.toml")
    approved(tmp_path / "approvals.toml")

    with pytest.raises(ConfigurationError, match="--authorise"):
        read_only(create("production", config, authorise="CHG-1234"))


@pytest.mark.parametrize(
    ("name", "config", "authorise", "place"),
    [
        ("production", False, None, "--config"),
        ("Production 1", True, None, "--environment"),
        ("embedded", True, None, "--config"),
        ("embedded", False, "CHG-1234", "--authorise"),
    ],
)
def test_names_and_options_that_do_not_go_together(
    tmp_path: Path, name: str, config: bool, authorise: str | None, place: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        create(name, written(tmp_path / "mita.toml") if config else None, authorise=authorise)

    assert place in str(refused.value)
