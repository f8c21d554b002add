from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deployer.errors import ConfigurationError, RefusedError
from environments.embedded.processes.identity import ProcessIdentity
from environments.embedded.processes.lock import LockFile
from environments.embedded.processes.sweep import stragglers, sweep
from environments.embedded.run_directory import RunDirectory, living_holder, read_manifest, run_root

from .conftest import NUMBERS

# A host that starts a child in a session of its own, which starts a grandchild that
# ignores TERM; neither asks to die with its parent.
HOLDER = """
import os, subprocess, sys
from environments.embedded.run_directory import RunDirectory
run = RunDirectory.claim(sys.argv[1], numbers=range(64, 70), ports=())
child = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
if len(sys.argv) > 2:
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE,
        env={**os.environ, "MITA_RUN": run.run_id}, start_new_session=True)
    process.stdout.readline()
print(run.run_id, flush=True)
sys.stdin.read()
"""


def _holder(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def _kill(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.close()
    holder.stdout.close()


def test_a_claim_makes_a_closed_directory_with_a_manifest() -> None:
    run = RunDirectory.claim("first", numbers=NUMBERS, ports=())
    try:
        assert stat.S_IMODE(run.root.stat().st_mode) == 0o711
        assert stat.S_IMODE(run.logs.stat().st_mode) == 0o700
        assert stat.S_IMODE((run.root / "environment.json").stat().st_mode) == 0o600
        manifest = read_manifest("first")
        assert manifest is not None
        assert manifest["run_id"] == run.run_id
        assert manifest["network"] == run.network.number
        assert living_holder("first") == os.getpid()
    finally:
        run.release(remove=True)
    assert not run.root.exists()
    assert list(run.root.parent.iterdir()) == []
    assert living_holder("first") is None


def test_a_second_claim_is_refused_and_names_the_first_process() -> None:
    holder, _ = _holder("taken")
    try:
        with pytest.raises(RefusedError) as raised:
            RunDirectory.claim("taken", numbers=NUMBERS, ports=())
        assert f"process {holder.pid}" in raised.value.seen
        assert living_holder("taken") == holder.pid
        other = RunDirectory.claim("other", numbers=NUMBERS, ports=())
        other.release(remove=True)
        assert run_root("taken").exists(), "a claim of another name left the living run alone"
    finally:
        _kill(holder)


@pytest.mark.parametrize("name", ["dead", "another"])
def test_a_claim_sweeps_a_dead_run_with_its_grandchildren(name: str) -> None:
    holder, run_id = _holder("dead", "with-grandchild")
    assert len(stragglers(run_id)) == 2, "the planted processes are found while they live"
    (run_root("dead") / "left").write_text("left")
    _kill(holder)
    assert len(stragglers(run_id)) == 2, "the planted processes outlive their parent"
    run = RunDirectory.claim(name, numbers=NUMBERS, ports=())
    try:
        assert stragglers(run_id) == []
        assert not (run_root("dead") / "left").exists()
    finally:
        run.release(remove=True)


def test_a_process_without_the_id_is_found_by_the_manifest_and_only_while_it_is_the_same() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        identity = ProcessIdentity.of(process.pid)
        stranger = ProcessIdentity(process.pid, identity.started - 60)
        assert sweep("no-such-run", [stranger]) == 0
        assert process.poll() is None
        assert sweep("no-such-run", [identity]) == 1
        assert not psutil.pid_exists(process.pid)
    finally:
        process.kill()
        process.wait()


def test_release_ends_processes_that_carry_the_id() -> None:
    run = RunDirectory.claim("released", numbers=NUMBERS, ports=())
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"],
        env={"MITA_RUN": run.run_id},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout as said:
        said.readline()  # the kernel shows the environment of a new program a moment after it has begun
        run.release(remove=True)
    assert not psutil.pid_exists(process.pid)
    process.wait()  # the sweep has reaped it; this only tells Popen


def test_a_lock_that_is_being_swept_is_waited_for(state: Path) -> None:
    holder, _ = _holder("swept")
    _kill(holder)
    lock = LockFile(run_root("swept").with_suffix(".lock"), sign=False)
    claimant = subprocess.Popen(
        [sys.executable, "-c", HOLDER, "swept"], stdin=subprocess.PIPE, stdout=-1, text=True
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            claimant.wait(1.0)
        lock.release()
        assert claimant.stdout is not None
        assert claimant.stdout.readline().strip()
        assert living_holder("swept") == claimant.pid
    finally:
        _kill(claimant)
    assert state.exists()


def test_write_replaces_a_file_whole_and_closed() -> None:
    run = RunDirectory.claim("write", numbers=NUMBERS, ports=())
    try:
        path = run.write("a/b/file", "one")
        before = path.stat().st_ino
        assert run.write("a/b/file", b"two") == path
        assert path.read_text() == "two"
        assert path.stat().st_ino != before, "the old file was written over in place"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert [each.name for each in path.parent.iterdir()] == ["file"]
    finally:
        run.release(remove=True)


def test_a_full_disk_leaves_the_old_file_and_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory.claim("full", numbers=NUMBERS, ports=())
    try:
        path = run.write("file", "old")

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as planted:
            planted.setattr(os, "fchmod", full)
            with pytest.raises(ConfigurationError) as raised:
                run.write("file", "new")
        assert "No space left" in raised.value.seen
        assert "MITA_STATE" in raised.value.remedy
        assert path.read_text() == "old"
        assert sorted(each.name for each in run.root.iterdir()) == ["environment.json", "file", "logs"]
    finally:
        run.release(remove=True)


@pytest.mark.parametrize("failing", ["mkdir", "chmod"])
def test_a_read_only_state_directory_is_explained_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, state: Path, failing: str
) -> None:
    (state / "embedded").mkdir()

    def read_only(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as planted:
        planted.setattr(Path, failing, read_only)
        with pytest.raises(ConfigurationError, match="Read-only file system"):
            RunDirectory.claim("readonly", numbers=NUMBERS, ports=())
    assert list((state / "embedded").iterdir()) == []
    again = RunDirectory.claim("readonly", numbers=NUMBERS, ports=())
    again.release(remove=True)


def test_an_unreadable_manifest_is_explained(state: Path) -> None:
    directory = state / "embedded" / "broken"
    directory.mkdir(parents=True)
    (directory / "environment.json").write_text("{")
    with pytest.raises(ConfigurationError, match="the manifest of a run"):
        RunDirectory.claim("broken", numbers=NUMBERS, ports=())
    (directory / "environment.json").write_text(json.dumps({"run_id": "x", "processes": {}}))
    RunDirectory.claim("broken", numbers=NUMBERS, ports=()).release(remove=True)


@pytest.mark.parametrize("name", ["", "../up", "Big", "a" * 32])
def test_a_name_that_is_no_plain_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name of the environment"):
        RunDirectory.claim(name, numbers=NUMBERS, ports=())


def test_a_path_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MITA_STATE", str(tmp_path / ("a" * 80)))
    with pytest.raises(ConfigurationError, match="Unix sockets"):
        RunDirectory.claim("default", numbers=NUMBERS, ports=())


def test_a_strangers_claim_to_belong_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = "a-run-that-is-ours"
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={"MITA_RUN": run_id}
    )
    try:
        assert _eventually(lambda: [each.pid for each in stragglers(run_id)] == [process.pid])
        monkeypatch.setattr(os, "geteuid", lambda: psutil.Process().uids().real + 1)
        assert stragglers(run_id) == []
    finally:
        process.kill()
        process.wait()


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False
