"""``mita up``, ``down``, ``status`` and ``env``, with everything that can come between."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deployer.eventually import eventually
from environments.embedded.processes.sweep import stragglers
from tests.cli.commands import SECONDS, Mita, failure_labels


@pytest.fixture
def mita() -> Iterator[Mita]:
    """The command; whatever a test left running is ended."""
    # None of pytest's directories, which are closed to the account that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="mita-") as name:
        Path(name).chmod(0o711)
        mita = Mita(Path(name))
        yield mita
        mita("down")


@pytest.fixture(scope="module")
def running() -> Iterator[Mita]:
    """The command, with an environment that runs and that no test harms."""
    with tempfile.TemporaryDirectory(prefix="mita-") as name:
        Path(name).chmod(0o711)
        mita = Mita(Path(name))
        up = mita("up")
        assert up.returncode == 0, up.stderr
        yield mita
        run_id = mita.manifest()["run_id"]
        down = mita("down")
        assert (down.returncode, down.stdout) == (0, "embedded is gone.\n"), down.stderr
        assert stragglers(run_id) == []
        assert not mita.root().exists()


def explained(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """Check that a command failed with the four lines, and what they say."""
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"], done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr


# ---- without an environment


def test_an_unknown_environment_is_named(mita: Mita) -> None:
    explained(mita("up", "--environment", "staging"), "staging", "one of embedded")
    assert list(mita.state.iterdir()) == []


def test_status_tells_that_nothing_runs(mita: Mita) -> None:
    done = mita("status")
    assert (done.returncode, done.stdout) == (3, "embedded does not run.\n")


def test_down_has_nothing_to_do(mita: Mita) -> None:
    done = mita("down")
    assert (done.returncode, done.stdout) == (0, "embedded was not running.\n")


def test_env_wants_an_environment_that_runs(mita: Mita) -> None:
    explained(mita("env"), "mita up")


# ---- with one that runs


@pytest.mark.embedded
def test_status_lists_every_server(running: Mita) -> None:
    done = running("status")
    assert done.returncode == 0, done.stderr
    for server in (
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("localstack", "postgresql", "valkey", "prometheus", "alertmanager"),
    ):
        assert server in done.stdout
    assert done.stdout.count("running") == 9


@pytest.mark.embedded
def test_a_second_up_leaves_the_first_alone(running: Mita) -> None:
    before = running.manifest()
    done = running("up")
    assert (done.returncode, done.stdout) == (0, "embedded runs already.\n"), done.stderr
    assert running.manifest() == before


@pytest.mark.embedded
def test_a_shell_reaches_everything_with_what_env_prints(running: Mita, tmp_path: Path) -> None:
    script = running("env").stdout + "kubectl get nodes -o name && helm list -A -q && env"
    shell = subprocess.run(
        ["sh", "-ec", script],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "node/mita-node" in shell.stdout
    assert "AWS_ENDPOINT_URL=http://127." in shell.stdout
    credentials = running.root() / "aws" / "credentials"
    assert credentials.stat().st_mode & 0o777 == 0o600
    secret = credentials.read_text().split("aws_secret_access_key = ")[1].strip()
    assert secret not in shell.stdout, "a secret key is shown on the terminal"


@pytest.mark.embedded
def test_two_environments_do_not_meet(running: Mita) -> None:
    done = running("up", "--environment", "embedded:second")
    assert done.returncode == 0, done.stderr
    first, second = running.manifest(), running.manifest("second")
    assert first["network"] != second["network"]
    assert running("down", "--environment", "embedded:second").returncode == 0
    assert stragglers(second["run_id"]) == []
    assert running("status").returncode == 0


# ---- with what goes wrong


def _interrupt(process: subprocess.Popen[str], number: signal.Signals, after: str) -> str:
    """Signal a command once its progress shows a text; return what it wrote on standard error."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if after in line:
            process.send_signal(number)
            break
    else:
        pytest.fail(f"it never came to {after!r}: {''.join(lines)}")
    rest, _ = process.stderr.read(), process.wait(SECONDS)
    return "".join([*lines, rest])


@pytest.mark.embedded
@pytest.mark.parametrize("after", ["Valkey: done", "node: started"])
def test_an_interrupted_start_leaves_nothing(mita: Mita, after: str) -> None:
    with mita.start("up") as process:
        errors = _interrupt(process, signal.SIGINT, after)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors, errors
    assert not mita.root().exists()
    assert _of_state(mita.state) == []


@pytest.mark.embedded
def test_a_killed_start_leaves_nothing_running(mita: Mita) -> None:
    with mita.start("up") as process:
        _interrupt(process, signal.SIGKILL, "PostgreSQL: done")
    _await(lambda: _of_state(mita.state) == [], "everything ends without its client")


@pytest.mark.embedded
def test_a_killed_host_takes_its_servers_along_and_the_next_start_recovers(mita: Mita) -> None:
    assert mita("up").returncode == 0
    run_id = mita.manifest()["run_id"]
    host = mita.host()
    host.kill()
    _await(lambda: not host.is_running() or host.status() == psutil.STATUS_ZOMBIE, "the host dies")
    _await(lambda: stragglers(run_id) == [], "its servers die with it")
    assert mita("status").returncode == 3
    again = mita("up")
    assert again.returncode == 0, again.stderr
    assert mita.manifest()["run_id"] != run_id


@pytest.mark.embedded
def test_a_server_that_dies_is_told(mita: Mita) -> None:
    assert mita("up").returncode == 0
    psutil.Process(mita.manifest()["processes"]["localstack"]["pid"]).kill()
    _await(lambda: mita("status").returncode == 1, "the status tells of it")
    explained(mita("status"), "localstack", "killed by SIGKILL", "mita down")
    explained(mita("env"), "localstack", "killed by SIGKILL")


@pytest.mark.embedded
def test_a_server_that_dies_during_the_start_ends_it(mita: Mita) -> None:
    with mita.start("up") as process:
        _await(lambda: "localstack" in _processes(mita), "LocalStack starts")
        psutil.Process(_processes(mita)["localstack"]["pid"]).kill()
        output, errors = process.communicate(timeout=SECONDS)
    explained(subprocess.CompletedProcess([], process.returncode, output, errors), "localstack", "SIGKILL")
    assert _of_state(mita.state) == []
    assert (mita.root() / "logs" / "localstack.log").exists(), "the log that is pointed to is gone"
    assert {entry.name for entry in mita.root().iterdir()} == {"logs", "environment.json"}


@pytest.mark.embedded
def test_a_state_directory_that_cannot_be_written_is_named(mita: Mita) -> None:
    blocked = mita.state / "file"
    blocked.touch()
    done = Mita(blocked / "state")("up")
    explained(done, str(blocked))


def _processes(mita: Mita) -> dict[str, dict[str, int]]:
    try:
        processes: dict[str, dict[str, int]] = mita.manifest()["processes"]
    except FileNotFoundError:
        return {}
    return processes


def _of_state(state: Path) -> list[int]:
    """Return the pids of processes that were started for a state directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MITA_STATE") == str(state) or str(state) in " ".join(process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return [pid for pid in found if pid != os.getpid()]


def _await(holds: Callable[[], bool], what: str) -> None:
    eventually(
        lambda: None if holds() else "not yet", subject=what, deadline=30.0, remedy="Look at the test."
    )


# ---- those who are told


def test_those_who_are_told_of_alerts_can_be_tried(running: Mita) -> None:
    done = running("notify")

    assert done.returncode == 0, done.stderr
    assert "PagerDuty took an event" in done.stdout
    assert "Slack took a message" in done.stdout


def test_only_one_of_them_can_be_tried(running: Mita) -> None:
    done = running("notify", "slack")

    assert (done.returncode, done.stdout) == (0, "Slack took a message\n"), done.stderr


def test_a_routing_key_that_no_service_has_is_refused_and_not_shown(running: Mita) -> None:
    key = secrets.token_hex(16)
    other = Mita(running.state, {"MITA_PAGERDUTY_ROUTING_KEY": key})

    done = other("notify", "pagerduty")

    explained(done, "PagerDuty", "status 400")
    assert key not in done.stdout + done.stderr
