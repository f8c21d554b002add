"""A smoke run passes, changes nothing, and fails when somebody plants a change in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deployer.approvals import WHAT, key
from evidence.model import Status
from steps.inventory import Inventory
from tests.cli.commands import Mita
from tests.smoke.conftest import Place, Smoke, session_of

pytestmark = pytest.mark.embedded

# A plug-in that does things once, in the middle of the run, and swallows whatever comes of them.
_PLANTED = """
import contextlib
done = []

def pytest_bdd_before_step(request, scenario):
    if "P1.3" in scenario.tags and not done:
        done.append(True)
        system = request.getfixturevalue("system")
        for deed in (DEEDS):
            with contextlib.suppress(Exception):
                exec(deed, {"system": system})
"""
_CALLS = {
    "secretsmanager:PutSecretValue": (
        'system.aws("secretsmanager").put_secret_value('
        'SecretId="mita-finance/production/app/secret-key", SecretString="{}")'
    ),
    "Kubernetes DELETE /api/v1/namespaces/mita-production/secrets/one": (
        'system.cluster.call("DELETE", "/api/v1/namespaces/mita-production/secrets/one")'
    ),
    "HTTP DELETE": (
        'import urllib3; urllib3.request("DELETE", system.connections.endpoints.application, retries=False)'
    ),
    "helm uninstall": (
        'import subprocess; subprocess.run([system.connections.helm, "uninstall", "mita-production",'
        ' "-n", "mita-production", "--kubeconfig", system.connections.kubeconfig])'
    ),
}
_BY_SOMEBODY_ELSE = """
from environments.embedded.environment import EmbeddedEnvironment
from environments.guard import wire
armed, wire._armed[:] = wire._armed[:], []  # somebody else is in another process
other = EmbeddedEnvironment()
other.attach()
other.aws("secretsmanager").tag_resource(
    SecretId="mita-finance/production/app/secret-key", Tags=[{"Key": "planted", "Value": "yes"}]
)
wire._armed[:] = armed
"""


def _planted(*deeds: str) -> str:
    return _PLANTED.replace("(DEEDS)", repr(deeds))


@pytest.fixture(scope="module")
def run(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    return place.smoke(tmp_path_factory.mktemp("run"))


def test_it_passes_within_half_a_minute_of_a_processor(run: Smoke) -> None:
    assert run.code == 0, run.output
    assert run.seconds <= 30
    ran = [each for each in run.results.scenarios if each.status is Status.PASSED]
    assert len(ran) >= 25
    assert all("production-smoke" in each.tags for each in ran)
    assert "Verdict: passed" in run.output


def test_every_call_of_it_is_in_the_trail_as_one_that_only_reads(place: Place, run: Smoke) -> None:
    records = place.records(session_of(run))

    assert {each["eventName"] for each in records} >= {"GetSecretValue", "DescribeKey", "GetRole"}
    assert all(each["readOnly"] is True for each in records)
    assert not [each["eventName"] for each in records if "errorCode" in each]


def test_it_writes_names_and_digests_of_what_was_there_and_no_value(place: Place, run: Smoke) -> None:
    text = (run.directory / "inventory.json").read_text()

    assert "secret/mita-finance/production/app/secret-key" in text
    assert "Secret/mita-production/mita-production-app-secrets" in text
    stored = place.environment.aws("secretsmanager").get_secret_value(
        SecretId="mita-finance/production/app/secret-key"
    )
    assert stored["SecretString"] not in text


def test_calls_that_change_something_are_refused_and_fail_the_run(place: Place, tmp_path: Path) -> None:
    run = place.smoke(tmp_path, planted=_planted(*_CALLS.values()))

    assert run.code == 1, run.output
    told = [f"The guard of this read-only run refused a call: {call}" for call in _CALLS]
    problems = run.results.problems
    assert len(problems) == len(told), problems
    assert all(problem.startswith(text) for problem, text in zip(problems, told, strict=True)), problems
    sent = [each["eventName"] for each in place.records(session_of(run)) if not each["readOnly"]]
    assert not sent


@pytest.fixture
def untagged(place: Place) -> Iterator[None]:
    yield
    place.environment.aws("secretsmanager").untag_resource(
        SecretId="mita-finance/production/app/secret-key", TagKeys=["planted"]
    )


@pytest.mark.usefixtures("untagged")
def test_a_change_by_somebody_else_fails_the_run(place: Place, tmp_path: Path) -> None:
    run = place.smoke(tmp_path, planted=_planted(_BY_SOMEBODY_ELSE))

    assert run.code == 1, run.output
    (problem,) = run.results.problems
    assert problem.startswith("Something changed during a run that changes nothing: ")
    assert problem.endswith("secret/mita-finance/production/app/secret-key changed.")


def test_a_run_in_an_environment_that_is_not_deployed_deploys_nothing(place: Place, tmp_path: Path) -> None:
    iam, role = place.environment.aws("iam"), "mita-production-smoke"
    kept = iam.get_role_policy(RoleName=role, PolicyName="read-for-smoke-runs")["PolicyDocument"]
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="read-for-smoke-runs")
    iam.delete_role(RoleName=role)
    try:
        run = place.smoke(tmp_path)
    finally:
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(RoleName=role, PolicyName="read-for-smoke-runs", PolicyDocument=json.dumps(kept))

    assert run.code == 1, run.output
    assert "Deploy first: mita deploy --environment embedded --rehearse" in run.output


def test_what_came_and_went_and_changed_is_named() -> None:
    before = Inventory({"a": "1", "b": "1", "c": "1"})

    assert Inventory({"b": "2", "c": "1", "d": "1"}).changes_since(before) == [
        "a went",
        "b changed",
        "d came",
    ]


# ---- as in a real environment


def _real(place: Place, into: Path, config: Path, **options: str) -> Smoke:
    return place.smoke(
        into, "--environment", "production", f"--config={config}", **{**place.exports, **options}
    )


def test_in_a_real_environment_it_passes_as_well(place: Place, tmp_path: Path) -> None:
    run = _real(place, tmp_path, place.config(tmp_path))

    assert run.code == 0, run.output
    assert {each["readOnly"] for each in place.records("mita-acceptance")} == {True}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            (
                ('account = "000000000000"', 'account = "111122223333"'),
                ('role = "arn:aws:iam::000000000000:role/mita-production-smoke"', ""),
            ),
            "AWS account of the credentials: expected account 111122223333; seen account 000000000000",
        ),
        ((('context = "', 'context = "another-'),), "Kubernetes context: expected another-"),
        ((('name = "mita-production"', 'name = "mita-staging"'),), "Kubernetes cluster of the context"),
        ((('oidc_issuer = "https', 'oidc_issuer = "https://another/https'),), "by the issuer of its tokens"),
    ],
)
def test_another_place_than_the_configured_one_is_refused_before_anything_else_is_asked(
    place: Place, tmp_path: Path, changes: tuple[tuple[str, str], ...], reason: str
) -> None:
    before = len(place.records("mita-acceptance"))

    run = _real(place, tmp_path, place.config(tmp_path, *changes))

    assert run.code == 1, run.output
    assert reason in run.output
    asked = {each["eventName"] for each in place.records("mita-acceptance")[before:]}
    assert asked <= {"GetCallerIdentity"}


def test_a_run_that_has_used_up_its_requests_stops_and_keeps_what_it_has_shown(
    place: Place, tmp_path: Path
) -> None:
    run = _real(place, tmp_path, place.config(tmp_path, ("requests = 2000", "requests = 110")))

    assert run.code != 0, run.output
    statuses = {each.status for each in run.results.scenarios}
    assert Status.PASSED in statuses
    assert len(run.results.scenarios) < 27
    assert "at most 110 requests" in " ".join(run.results.problems)
    assert "after" in (run.directory / "inventory.json").read_text()


# ---- before it


def test_doctor_finds_nothing_lacking_here_nor_as_in_a_real_environment(place: Place, tmp_path: Path) -> None:
    config = str(place.config(tmp_path))
    real = Mita(place.mita.state, place.exports)

    for done in (place.mita("doctor"), real("doctor", "--environment", "production", "--config", config)):
        assert done.returncode == 0, done.stdout
        assert done.stdout.endswith("Nothing is lacking for a smoke run.\n")
        assert "✓ kms:GetKeyRotationStatus" in done.stdout


def test_a_plan_is_made_in_a_real_environment_and_a_deployment_is_not(place: Place, tmp_path: Path) -> None:
    real = ("--environment", "production", "--config", str(place.config(tmp_path)))
    mita = Mita(place.mita.state, place.exports)
    assert place.mita("deploy", "--rehearse", "--yes").returncode == 0  # mends what others planted

    plan, deployment = mita("plan", "--through", "1", *real), mita("deploy", "--yes", *real)

    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert deployment.returncode == 1
    assert "changes in production" in deployment.stderr


def test_a_rotation_in_a_real_environment_is_authorised_and_not_repeated_too_soon(
    place: Place, tmp_path: Path
) -> None:
    real = ("cache/redis-auth", "--environment", "production", "--config", str(place.config(tmp_path)))
    authorised = (*real, "--authorise", "CHG-1024")
    mita = Mita(place.mita.state, place.exports)
    assert place.mita("deploy", "--rehearse", "--yes").returncode == 0  # mends what others planted

    alone, without = mita("rotate", *real), mita("rotate", *authorised)
    (tmp_path / "approvals.toml").write_text(_approved())
    rotated, again = mita("rotate", *authorised), mita("rotate", *authorised)

    assert rotated.returncode == 0, rotated.stderr
    assert (alone.returncode, without.returncode, again.returncode) == (1, 1, 1)
    assert "mita rotate cache/redis-auth ... --authorise CHANGE-ID" in alone.stderr
    assert "security approval" in without.stderr
    assert "cache/redis-auth is rotated" in rotated.stdout
    assert "10 minutes" in again.stderr


def _approved() -> str:
    today = datetime.now(UTC).date()
    approval = (
        f'who = "role"\nwhen = {today - timedelta(1)}\nuntil = {today + timedelta(1)}\nwhere = "ticket"\n'
    )
    return "".join(f"[{key(what)}]\n{approval}" for what in WHAT)
