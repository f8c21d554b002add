"""The kind environment, as far as it can be seen without Docker."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from deployer.errors import ConfigurationError, NotReadyError, RefusedError
from deployer.progress import silent
from environments.embedded.access import Login
from environments.kind import environment
from environments.kind.access import Access, home
from environments.kind.cluster import LABEL, WORKERS, KindCluster, workers
from environments.kind.engine import Engine
from environments.kind.environment import KindEnvironment
from environments.managed import Managed
from environments.protocol import Capability, ClusterAuditReader
from environments.registry import create
from tests.kind.fake_docker import Daemon, Thing

OURS = {LABEL: "default"}
KINDS = {"io.x-k8s.kind.cluster": "mita-default"}
NAMES = ("control-plane", "localstack", "postgresql", "redis", "monitoring")


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """A daemon with nothing on it, and a state directory of the test's own."""
    made = Daemon()
    monkeypatch.setenv("MITA_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(environment, "find_engine", made.engine)
    monkeypatch.setattr(KindEnvironment, "_cluster", lambda self, engine: cluster(engine, tmp_path, self))
    return made


def cluster(engine: Engine, tmp_path: Path, place: KindEnvironment) -> KindCluster:
    return KindCluster(engine, tmp_path / "kind", place.instance, home(place.instance))


def kind(tmp_path: Path, script: str) -> None:
    program = tmp_path / "kind"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def access() -> Access:
    login = Login(host="172.20.0.5", port=5432, username="postgres", password=SecretStr("p"), database="mita")
    return Access(
        began=1.0,
        node="172.20.0.2",
        network="172.20.0.0/16",
        issuer="https://172.20.0.2:6443",
        certificate_authority="PEM",
        aws_url="http://172.20.0.4:4566",
        aws_access_key="key",
        aws_secret_key=SecretStr("secret"),
        database=login,
        cache=login,
        prometheus="http://172.20.0.2:9090",
        slack_url=SecretStr("http://172.20.0.2:8080/services/path"),
        pagerduty_url="http://172.20.0.2:8080",
        pagerduty_key=SecretStr("routing key"),
    )


def running(daemon: Daemon) -> None:
    home("default").mkdir(parents=True)
    access().write("default")
    daemon.networks.held = [Thing("mita-default", OURS)]
    daemon.containers.held = [
        Thing(f"mita-default-{name}", KINDS if name == "control-plane" else OURS) for name in NAMES
    ]


def test_the_name_leads_to_it_and_it_is_all_that_it_claims() -> None:
    place = create("kind:two")
    assert isinstance(place, KindEnvironment)
    assert isinstance(place, Managed)
    assert place.name == "kind:two"
    assert create("kind").name == "kind"
    assert Capability.CLUSTER_AUDIT in place.capabilities
    assert isinstance(place, ClusterAuditReader)


@pytest.mark.parametrize("name", ["kind:Two", "kind:a_b", f"kind:{'a' * 30}"])
def test_an_instance_that_no_container_can_be_named_after_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case letters"):
        create(name)


def test_where_nothing_runs_there_is_nothing_to_attach_to_or_to_remove(daemon: Daemon) -> None:
    place = KindEnvironment()
    assert not place.attach()
    assert place.state() is None
    assert not place.remove(silent)
    assert daemon.containers.held == []
    with pytest.raises(NotReadyError, match="mita up --environment kind"):
        _ = place.access


def test_one_that_runs_is_attached_to_and_told_of(daemon: Daemon) -> None:
    running(daemon)
    place = KindEnvironment()
    assert place.attach()
    assert not place.is_ours
    state = place.state()
    assert state is not None
    assert [(part.name, part.state) for part in state.parts] == [
        (f"mita-default-{name}", "running") for name in NAMES
    ]


def test_a_container_that_has_ended_is_named(daemon: Daemon) -> None:
    running(daemon)
    daemon.containers.held[2].status = "exited"
    del daemon.containers.held[3]
    with pytest.raises(NotReadyError, match="mita-default-postgresql, mita-default-redis"):
        KindEnvironment().attach()


def test_what_another_version_wrote_is_not_guessed_at(daemon: Daemon) -> None:
    running(daemon)
    (home("default") / "access.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="mita down --environment kind"):
        KindEnvironment().attach()


def test_only_its_owner_reads_how_it_is_reached(daemon: Daemon) -> None:
    running(daemon)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home("default").iterdir()}
    assert modes == {"access.json": 0o600, "aws-credentials": 0o600}


def test_all_of_it_is_removed_and_nothing_else(daemon: Daemon, tmp_path: Path) -> None:
    running(daemon)
    other = Thing("somebody-else", {LABEL: "two"})
    daemon.containers.held.append(other)
    kind(tmp_path, f'echo "$@" >>{tmp_path}/told')

    assert KindEnvironment().remove(silent)

    assert "delete cluster --name mita-default" in (tmp_path / "told").read_text()
    assert [each.name for each in daemon.containers.list(filters={"label": f"{LABEL}=default"})] == []
    assert daemon.networks.list() == []
    assert not other.removed
    assert not home("default").exists()


def test_a_cluster_of_somebody_elses_is_never_touched(daemon: Daemon, tmp_path: Path) -> None:
    theirs = Thing("mita-default-control-plane", KINDS)
    daemon.containers.held = [theirs]
    kind(tmp_path, f"touch {tmp_path}/told")
    place = KindEnvironment()

    with pytest.raises(
        RefusedError, match=r"mita-default-control-plane, which this environment did not make"
    ):
        cluster(daemon.engine(), tmp_path, place).require_free()
    assert not place.remove(silent)

    assert not theirs.removed
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(("processors", "roles"), [(2, ["control-plane", "worker"]), (4, ["control-plane"])])
def test_the_cluster_has_room_for_the_application(
    daemon: Daemon, tmp_path: Path, processors: int, roles: list[str]
) -> None:
    home("default").mkdir(parents=True)
    kind(tmp_path, 'echo "ERROR: no such image" >&2; exit 1')
    made = KindCluster(daemon.engine(processors), tmp_path / "kind", "default", home("default"))

    with pytest.raises(NotReadyError, match=r"`kind create` to succeed; seen ERROR: no such image"):
        made.create("mita.invalid/kind-node:v1")

    document = yaml.safe_load((home("default") / "kind.yaml").read_text())
    assert [node["role"] for node in document["nodes"]] == roles
    (patch,) = (
        yaml.safe_load(each)["apiServer"]
        for each in document["kubeadmConfigPatches"]
        if "apiServer" in yaml.safe_load(each)
    )
    assert {"audit-policy-file", "encryption-provider-config"} <= patch["extraArgs"].keys()
    keys = home("default") / "mounted" / "encryption.yaml"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_kind_failing_says_why_and_where_to_look(daemon: Daemon, tmp_path: Path) -> None:
    kind(tmp_path, 'echo "ERROR: failed to pull image" >&2; exit 1')
    made = KindCluster(daemon.engine(), tmp_path / "kind", "default", home("default"))
    with pytest.raises(
        NotReadyError, match=r"`kind load` to succeed; seen ERROR: failed to pull image\. Read the logs"
    ):
        made.load(tmp_path / "image.tar")


def test_without_docker_the_command_ends_with_four_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        ["mita", "up", "--environment", "kind"],
        env={
            "PATH": f"{Path(environment.__file__).parents[2]}/.venv/bin:/usr/bin:/bin",
            "MITA_STATE": str(tmp_path),
            "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "failed" in done.stderr
    assert "ocker" in done.stderr


@pytest.mark.parametrize(
    ("asked", "processors", "count"), [(None, 2, 1), (None, 4, 0), ("0", 2, 0), ("3", 8, 3)]
)
def test_a_cluster_has_the_workers_that_are_asked_for_or_those_that_it_needs(
    asked: str | None, processors: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WORKERS, raising=False)
    if asked is not None:
        monkeypatch.setenv(WORKERS, asked)
    assert workers(processors) == count


@pytest.mark.parametrize("asked", ["", "-1", "two", "9", "²"])
def test_a_number_of_workers_that_is_none_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, asked)
    with pytest.raises(ConfigurationError, match=WORKERS):
        workers(2)
