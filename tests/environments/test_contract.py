"""What features, deployer and commands take for granted of every environment that is made here."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import urllib3

from deployer.cluster import Cluster
from deployer.progress import Step, silent
from deployer.servers import cache_client, connect_database
from environments.disruption import Disruptable
from environments.embedded.processes.sweep import RUN_VARIABLE
from environments.kind.cluster import cluster_name
from environments.managed import Managed
from environments.protocol import (
    Capability,
    ClusterAuditReader,
    Environment,
    MemoryReader,
    NotificationReader,
    StoreReader,
)
from environments.registry import create

pytestmark = pytest.mark.timeout(900)

INSTANCE = "contract"
OFFERED = {
    Capability.ETCD_ACCESS: StoreReader,
    Capability.CLUSTER_AUDIT: ClusterAuditReader,
    Capability.NOTIFICATIONS: NotificationReader,
    Capability.DISRUPTIONS: Disruptable,
}


def _tell(step: Step) -> None:
    print(step)  # noqa: T201  pytest shows it when the start fails


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("embedded", marks=pytest.mark.embedded),
        pytest.param("kind", marks=pytest.mark.docker),
    ],
)
def name(request: pytest.FixtureRequest) -> str:
    return f"{request.param}:{INSTANCE}"


@pytest.fixture(scope="module")
def place(name: str) -> Iterator[Managed]:
    """The environment, started; what is left once it has been stopped is looked at in the end."""
    made = create(name)
    assert isinstance(made, Managed)
    assert not made.attach(), "a run that was killed has left it: mita down"
    others = _run_ids()  # of environments of other tests
    made.start(_tell)
    directory = made.kubeconfig.parent
    run = _run_ids() - others
    try:
        yield made
    finally:
        made.stop()
    assert made.state() is None
    assert not made.attach()
    assert not (directory / "kubeconfig").exists()
    assert not (_run_ids() & run), "processes are left"
    assert _of_docker() == ""


def _run_ids() -> set[str]:
    """Return the run of each process that belongs to one."""
    found = set()
    for process in psutil.process_iter():
        try:
            found.add(process.environ().get(RUN_VARIABLE, ""))
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    return found - {""}


def _of_docker() -> str:
    """Return the containers, networks and volumes of the instance; nothing where there is no Docker."""
    name = f"name={cluster_name(INSTANCE)}"
    commands = [["ps", "--all"], ["network", "ls"], ["volume", "ls"]]
    asked = [
        subprocess.run(
            ["docker", *each, "--quiet", "--filter", name], capture_output=True, text=True, check=False
        )
        for each in commands
    ]
    return "".join(each.stdout for each in asked)


def test_it_is_the_one_that_was_asked_for_and_runs(place: Managed, name: str) -> None:
    assert isinstance(place, Environment)
    assert place.name == name
    assert place.is_ours
    state = place.state()
    assert state is not None
    assert {part.state for part in state.parts} == {"running"}


def test_another_one_attaches_to_it_and_leaves_it_running(place: Managed, name: str) -> None:
    other = create(name)
    assert isinstance(other, Managed)
    other.start(silent)
    assert not other.is_ours
    other.stop()
    assert place.state() is not None
    Cluster(place.kubernetes()).call("GET", "/version")


def test_each_capability_brings_what_it_is_for(place: Managed) -> None:
    for capability, offered in OFFERED.items():
        assert (capability in place.capabilities) == isinstance(place, offered), capability
    assert (Capability.MONITORING in place.capabilities) == (place.endpoints.prometheus is not None)
    assert (Capability.GRAFANA in place.capabilities) == (place.endpoints.grafana is not None)


def test_whatever_the_deployer_is_handed_answers(place: Managed) -> None:
    connections = place.connections()
    assert connections.database is not None
    assert connections.cache is not None
    with closing(connect_database(connections.database)) as database, database.cursor() as cursor:
        cursor.execute("select 1")
    cache = connections.cache
    password = cache.password.get_secret_value()
    with closing(cache_client(cache, username=cache.username, password=password)) as client:
        assert client.ping()
    assert connections.aws("sts").get_caller_identity()["Account"] == connections.account
    assert Cluster(connections.kubernetes).call("GET", "/version")["major"] == "1"
    assert connections.cluster == place.cluster


def test_tokens_of_the_cluster_lead_to_their_issuer(place: Managed) -> None:
    told = Cluster(place.kubernetes()).call("GET", "/.well-known/openid-configuration")
    assert told["issuer"] == place.cluster.oidc_issuer


def test_credentials_are_in_files_of_their_owner_and_not_among_the_variables(place: Managed) -> None:
    exports, connections = place.exports(), place.connections()
    assert connections.database is not None
    assert connections.cache is not None
    for login in (connections.database, connections.cache):
        assert login.password.get_secret_value() not in "".join(exports.values())
    for variable in ("KUBECONFIG", "AWS_SHARED_CREDENTIALS_FILE"):
        assert stat.S_IMODE(Path(exports[variable]).stat().st_mode) == 0o600


def test_what_it_claims_to_be_able_to_tell_it_tells(place: Managed) -> None:
    assert isinstance(place, StoreReader)
    assert b"/registry/" in place.stored_state()
    assert isinstance(place, ClusterAuditReader)
    assert next(iter(place.cluster_audit()))["kind"] == "Event"
    assert isinstance(place, MemoryReader)
    assert place.memory_bytes() > 100_000_000
    assert isinstance(place, NotificationReader)
    assert list(place.notifications()) == []
    answer = urllib3.request("GET", f"{place.endpoints.prometheus}/-/ready", timeout=5, retries=False)
    assert answer.status == 200


def test_what_is_collected_of_it_holds_no_credential(place: Managed, tmp_path: Path) -> None:
    place.collect(tmp_path)
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert files
    connections = place.connections()
    assert connections.database is not None
    assert connections.cache is not None
    for login in (connections.database, connections.cache):
        value = login.password.get_secret_value().encode()
        assert [each.name for each in files if value in each.read_bytes()] == []
