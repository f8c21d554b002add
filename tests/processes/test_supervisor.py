from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from deployer.errors import ConfigurationError, MissingToolError, NotReadyError
from environments.embedded.processes import Process, ProcessSpec, Supervisor
from environments.embedded.processes.sweep import stragglers
from environments.embedded.run_directory import RunDirectory

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); " + SLEEP


def spec(
    run: RunDirectory,
    code: str = SLEEP,
    *,
    name: str = "sample",
    ready: Callable[[], Awaitable[str | None]] | None = None,
    deadline: float = 20.0,
    grace: float = 10.0,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-S", "-c", code),
        environment={"PYTHONUNBUFFERED": "1"},
        directory=run.root,
        log=run.logs / f"{name}.log",
        ready=ready,
        deadline=deadline,
        grace=grace,
    )


def says(run: RunDirectory, word: str, name: str = "sample") -> Callable[[], Awaitable[str | None]]:
    async def check() -> str | None:
        log = run.logs / f"{name}.log"
        return None if word in log.read_text() else f"no {word} in its log"

    return check


async def never() -> str | None:
    return "the answer is still no"


async def test_a_ready_process_is_recorded_and_runs_apart(run: RunDirectory) -> None:
    supervisor = Supervisor(run)
    process = await supervisor.start(spec(run, "print('ready'); " + SLEEP, ready=says(run, "ready")))
    try:
        seen = psutil.Process(process.pid)
        assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
        assert seen.environ() == {"PYTHONUNBUFFERED": "1", "MITA_RUN": run.run_id} | {
            key: value for key, value in seen.environ().items() if key == "LC_CTYPE"
        }
        manifest = json.loads((run.root / "environment.json").read_text())
        assert manifest["processes"] == {"sample": {"pid": process.pid, "started": seen.create_time()}}
        assert stat.S_IMODE(process.spec.log.stat().st_mode) == 0o600
        assert dict(supervisor.processes) == {"sample": process}
    finally:
        await supervisor.stop_all()
    assert process.returncode == -signal.SIGTERM
    assert dict(supervisor.processes) == {}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('cannot bind'); raise SystemExit(7)", "exited with code 7"),
        ("print('cannot bind'); import os; os.abort()", "killed by SIGABRT"),
        ("print('cannot bind')", "exited with code 0"),
    ],
)
async def test_an_early_exit_is_told_at_once_with_the_last_lines(
    run: RunDirectory, code: str, told: str
) -> None:
    exits: list[Process] = []
    supervisor = Supervisor(run, on_exit=exits.append)
    (run.logs / "sample.log").write_text("a line of an earlier process\n")
    began = time.monotonic()
    with pytest.raises(NotReadyError) as raised:
        await supervisor.start(spec(run, code, ready=never, deadline=60))
    assert time.monotonic() - began < 30
    assert told in raised.value.seen
    assert "cannot bind" in raised.value.seen
    assert "earlier process" not in raised.value.seen
    assert dict(supervisor.processes) == {}
    assert exits == []


async def test_a_missed_deadline_tells_what_was_missing_and_ends_the_process(run: RunDirectory) -> None:
    supervisor = Supervisor(run)
    with pytest.raises(NotReadyError) as raised:
        await supervisor.start(spec(run, "print('working'); " + SLEEP, ready=never, deadline=0.5))
    assert "the answer is still no" in raised.value.seen
    assert "0.5 s" in raised.value.expected
    assert stragglers(run.run_id) == []


async def test_a_check_that_hangs_does_not_outlast_the_deadline(run: RunDirectory) -> None:
    async def hang() -> str | None:
        await asyncio.Event().wait()
        return None

    with pytest.raises(NotReadyError, match="its first check did not end"):
        await Supervisor(run).start(spec(run, ready=hang, deadline=0.3))
    assert stragglers(run.run_id) == []


async def test_a_cancelled_start_leaves_nothing(run: RunDirectory) -> None:
    supervisor = Supervisor(run)
    start = asyncio.create_task(supervisor.start(spec(run, ready=never)))
    await _eventually(lambda: bool(supervisor.processes))
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert stragglers(run.run_id) == []
    assert dict(supervisor.processes) == {}


async def test_a_full_disk_while_starting_leaves_nothing(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as planted:
        planted.setattr(os, "fchmod", full)
        with pytest.raises(ConfigurationError, match="No space left"):
            await Supervisor(run).start(spec(run))
    assert stragglers(run.run_id) == []


async def test_a_missing_program_is_named(run: RunDirectory, tmp_path: Path) -> None:
    missing = ProcessSpec(
        name="etcd", argv=("/no/such/etcd",), environment={}, directory=tmp_path, log=run.logs / "etcd.log"
    )
    with pytest.raises(MissingToolError) as raised:
        await Supervisor(run).start(missing)
    assert "/no/such/etcd" in str(raised.value)
    assert raised.value.subject == "etcd"


async def test_a_name_is_taken_only_once(run: RunDirectory) -> None:
    supervisor = Supervisor(run)
    await supervisor.start(spec(run))
    with pytest.raises(ValueError, match="sample"):
        await supervisor.start(spec(run))
    await supervisor.stop_all()


async def test_a_process_deaf_to_term_is_killed_after_its_grace(run: RunDirectory) -> None:
    supervisor = Supervisor(run)
    process = await supervisor.start(spec(run, STUBBORN, ready=says(run, "deaf"), grace=0.3))
    await supervisor.stop("sample")
    assert process.returncode == -signal.SIGKILL
    assert process.outcome() == "killed by SIGKILL"


async def test_children_that_outlive_their_process_end_with_it(run: RunDirectory) -> None:
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); {SLEEP}"
    supervisor = Supervisor(run)
    await supervisor.start(spec(run, code, ready=says(run, "deaf")))
    assert len(stragglers(run.run_id)) == 2
    await supervisor.stop("sample")
    await _eventually(lambda: stragglers(run.run_id) == [])


async def test_an_unexpected_exit_is_told_and_an_expected_one_is_not(run: RunDirectory) -> None:
    exits: list[Process] = []
    supervisor = Supervisor(run, on_exit=exits.append)
    killed = await supervisor.start(spec(run, name="killed"))
    await supervisor.start(spec(run, name="stopped"))
    await supervisor.stop("stopped")
    os.kill(killed.pid, signal.SIGKILL)
    await killed.wait()
    assert exits == [killed]
    assert supervisor.processes["killed"].returncode == -signal.SIGKILL
    again = await supervisor.restart("killed")
    assert again.returncode is None
    assert exits == [killed]
    await supervisor.stop_all()


async def test_restart_replaces_the_process_and_keeps_its_place(run: RunDirectory) -> None:
    supervisor = Supervisor(run)
    for name in ("one", "two"):
        await supervisor.start(spec(run, name=name))
    before = supervisor.processes["one"]
    after = await supervisor.restart("one")
    assert before.returncode is not None
    assert after.pid != before.pid
    assert supervisor.processes["one"] is after
    assert list(supervisor.processes) == ["one", "two"]
    await supervisor.stop_all()


async def test_processes_stop_in_reverse_order(run: RunDirectory) -> None:
    note = (
        "import signal, sys, time; name = sys.argv[0]\n"
        "def stop(*_):\n"
        "    open('order', 'a').write(NAME + ' '); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, stop); print('ready')\n" + SLEEP
    )
    supervisor = Supervisor(run)
    for name in ("one", "two", "three"):
        await supervisor.start(
            spec(run, note.replace("NAME", repr(name)), name=name, ready=says(run, "ready", name))
        )
    await supervisor.stop_all()
    assert (run.root / "order").read_text().split() == ["three", "two", "one"]


async def test_every_error_of_stopping_is_kept_and_the_others_are_stopped(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(run)
    processes = [await supervisor.start(spec(run, name=name)) for name in ("one", "two", "three")]

    original = Process.stop

    async def stop(self: Process) -> int:
        await original(self)
        if self.spec.name != "two":
            message = f"planted in {self.spec.name}"
            raise OSError(message)
        return 0

    monkeypatch.setattr(Process, "stop", stop)
    with pytest.raises(ExceptionGroup) as raised:
        await supervisor.stop_all()
    assert [str(error) for error in raised.value.exceptions] == ["planted in three", "planted in one"]
    assert all(process.returncode is not None for process in processes)


async def test_two_supervisors_do_not_meet(run: RunDirectory) -> None:
    other_run = RunDirectory.claim("beside", numbers=range(64, 70), ports=())
    try:
        first, second = Supervisor(run), Supervisor(other_run)
        await first.start(spec(run))
        process = await second.start(spec(other_run))
        assert run.network != other_run.network
        await first.stop_all()
        run_processes = [each.pid for each in stragglers(other_run.run_id)]
        assert run_processes == [process.pid]
        await second.stop_all()
    finally:
        other_run.release(remove=True)


async def test_a_process_is_not_started_from_another_thread(run: RunDirectory) -> None:
    def elsewhere() -> None:
        asyncio.run(_start())

    async def _start() -> None:
        await Supervisor(run).start(spec(run))

    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(elsewhere)


async def _eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  the state of another process sends no event
            await asyncio.sleep(0.01)
