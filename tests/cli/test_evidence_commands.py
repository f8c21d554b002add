"""`mita accept` and `mita report`, as their users run them."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evidence.model import Run, Status, load_run, save_run
from tests.cli.commands import Mita, failure_labels
from tests.evidence import runs

_PATIENCE = 300.0  # seconds for an environment to start beside other work


@pytest.fixture
def mita() -> Iterator[Mita]:
    """The command; whatever a test left running is ended."""
    # None of pytest's directories, which are closed to the account that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="mita-") as name:
        Path(name).chmod(0o711)
        mita = Mita(Path(name))
        yield mita
        mita("down")


def _saved(directory: Path, *statuses: Status) -> Path:
    titles = [f"scenario {number}" for number, _ in enumerate(statuses)]
    scenarios = [runs.catalogued(title, "P1.1") for title in titles]
    results = [runs.result(title, status, "P1.1") for title, status in zip(titles, statuses, strict=True)]
    run: Run = runs.run(*results, features=(runs.feature(*scenarios),), criteria=(runs.criterion("P1.1"),))
    save_run(run, directory)
    return directory


@pytest.mark.parametrize(
    ("statuses", "verdict", "code"),
    [
        ((Status.PASSED,), "passed", 0),
        ((Status.PASSED, Status.FAILED), "failed", 1),
        ((Status.PASSED, Status.NOT_RUN), "incomplete", 3),
    ],
)
def test_report_tells_the_verdict_of_a_run_and_writes_its_report_anew(
    mita: Mita, tmp_path: Path, statuses: tuple[Status, ...], verdict: str, code: int
) -> None:
    directory = _saved(tmp_path / "run", *statuses)

    done = mita("report", str(directory))

    assert done.returncode == code
    assert f"Verdict: {verdict}" in done.stdout
    assert str(directory / "report.html") in done.stdout
    assert verdict.capitalize() in (directory / "report.html").read_text()


def test_report_of_something_that_is_no_run_says_what_to_name(mita: Mita, tmp_path: Path) -> None:
    done = mita("report", str(tmp_path))

    assert done.returncode == 1
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]
    assert "reports/latest" in done.stderr


def test_report_verify_says_that_nothing_was_touched(mita: Mita, tmp_path: Path) -> None:
    directory = _saved(tmp_path / "run", Status.PASSED)
    mita("report", str(directory))

    done = mita("report", "verify", str(directory))

    assert done.returncode == 0
    assert done.stdout.startswith("Unchanged: ")


def test_report_verify_names_every_file_that_was_touched(mita: Mita, tmp_path: Path) -> None:
    directory = _saved(tmp_path / "run", Status.PASSED)
    (directory / "environment").mkdir()
    (directory / "environment" / "etcd.log").write_text("started")
    mita("report", str(directory))
    results = directory / "results.json"
    results.write_text(results.read_text().replace("passed", "failed"))
    (directory / "environment" / "etcd.log").unlink()
    (directory / "more.txt").touch()

    done = mita("report", "verify", str(directory))

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "changed: results.json",
        "missing: environment/etcd.log",
        "added: more.txt",
    ]
    assert "1 changed, 1 missing, 1 added" in done.stderr
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]


def _beside(mita: Mita, tmp_path: Path, one: Status, other: Status) -> tuple[Path, Path]:
    places = _saved(tmp_path / "one", one), _saved(tmp_path / "other", other)
    for place in places:
        mita("report", str(place))
    return places


@pytest.mark.parametrize(
    ("other", "code", "said"), [(Status.PASSED, 0, "1 of 1"), (Status.FAILED, 1, "not explained: scenario 0")]
)
def test_report_compare_fails_on_a_difference_that_nobody_has_explained(
    mita: Mita, tmp_path: Path, other: Status, code: int, said: str
) -> None:
    places = _beside(mita, tmp_path, Status.PASSED, other)
    page = tmp_path / "fidelity.html"

    done = mita("report", "compare", *map(str, places), "--to", str(page))

    assert done.returncode == code
    assert said in done.stdout
    assert "side by side" in page.read_text()


def test_report_compare_refuses_a_run_that_was_touched(mita: Mita, tmp_path: Path) -> None:
    one, other = _beside(mita, tmp_path, Status.PASSED, Status.FAILED)
    results = other / "results.json"
    results.write_text(results.read_text().replace("failed", "passed"))

    done = mita("report", "compare", str(one), str(other), "--to", str(tmp_path / "fidelity.html"))

    assert done.returncode == 1
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]
    assert not (tmp_path / "fidelity.html").exists()


def test_report_compare_of_runs_with_nothing_in_common_says_that_nothing_was_compared(
    mita: Mita, tmp_path: Path
) -> None:
    places = _saved(tmp_path / "one", Status.PASSED), _saved(tmp_path / "other")

    done = mita("report", "compare", *map(str, places), "--to", str(tmp_path / "fidelity.html"))

    assert done.returncode == 1
    assert "nothing was compared" in done.stderr
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]
    assert not (tmp_path / "fidelity.html").exists()


@pytest.mark.parametrize("place", ["one/fidelity.html", "other/deep/fidelity.html", "latest/report.html"])
def test_report_compare_adds_nothing_to_a_run(mita: Mita, tmp_path: Path, place: str) -> None:
    runs = _beside(mita, tmp_path, Status.PASSED, Status.PASSED)
    (tmp_path / "latest").symlink_to("other")
    before = (tmp_path / "other" / "report.html").read_bytes()

    done = mita("report", "compare", *map(str, runs), "--to", str(tmp_path / place))

    assert done.returncode == 1
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]
    assert "--to" in done.stderr
    assert [mita("report", "verify", str(each)).returncode for each in runs] == [0, 0]
    assert (tmp_path / "other" / "report.html").read_bytes() == before


def test_report_compare_adds_nothing_to_a_run_by_a_link_that_leads_out_of_it(
    mita: Mita, tmp_path: Path
) -> None:
    one, other = _saved(tmp_path / "one", Status.PASSED), _saved(tmp_path / "other", Status.PASSED)
    (other / "out.html").symlink_to(tmp_path / "elsewhere.html")
    mita("report", str(other))

    done = mita("report", "compare", str(one), str(other), "--to", str(other / "out.html"))

    assert done.returncode == 1
    assert (other / "out.html").is_symlink()


def test_report_is_not_written_anew_over_results_that_were_touched(mita: Mita, tmp_path: Path) -> None:
    directory = _saved(tmp_path / "run", Status.FAILED)
    mita("report", str(directory))
    report = (directory / "report.html").read_bytes()
    results = directory / "results.json"
    results.write_text(results.read_text().replace("failed", "passed"))

    done = mita("report", str(directory))

    assert done.returncode == 1
    assert "changed: results.json" in done.stderr
    assert (directory / "report.html").read_bytes() == report


def test_accept_refuses_an_environment_that_does_not_exist(mita: Mita) -> None:
    done = mita("accept", "--environment", "nowhere")

    assert done.returncode == 1
    assert failure_labels(done.stderr) == ["failed", "expected", "seen", "to do"]


@pytest.mark.embedded
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_accept_that_is_interrupted_leaves_no_environment_behind(
    mita: Mita, tmp_path: Path, number: signal.Signals
) -> None:
    process = mita.start("accept", "--reports", str(tmp_path))
    try:
        host = _when_there_is_a_host(mita, process)
        process.send_signal(number)
        process.send_signal(signal.SIGINT)  # as tox does, which passes on what the terminal sent to both
        _, errors = process.communicate(timeout=_PATIENCE)
    finally:
        process.kill()

    assert process.returncode == 130
    assert errors.rstrip().endswith("interrupted")
    assert "Traceback" not in errors
    assert not host.is_running() or host.status() == psutil.STATUS_ZOMBIE
    assert mita("status").returncode == 3


@pytest.mark.embedded
@pytest.mark.timeout(900)
def test_accept_proves_a_new_environment_reports_it_and_stops_it(mita: Mita, tmp_path: Path) -> None:
    with mita.start("accept", "--reports", str(tmp_path), "-m", "P1.2 or P4.5") as process:
        output, errors = process.communicate(timeout=_PATIENCE * 2)

    assert f"Report: {(tmp_path / 'latest').resolve() / 'report.html'}" in output
    run = load_run(tmp_path / "latest")
    passed = [scenario for scenario in run.scenarios if scenario.status is Status.PASSED]
    assert len(passed) == len(run.scenarios) == 2
    assert {tag for scenario in passed for tag in scenario.tags} >= {"P1.2", "P4.5"}
    assert run.deployment is not None
    assert run.deployment.actions
    assert process.returncode == 3  # only a part was asked for
    assert "stage: deployment: done" in errors
    assert mita("status").returncode == 3


def _when_there_is_a_host(mita: Mita, process: subprocess.Popen[str]) -> psutil.Process:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        try:
            return mita.host()
        except (OSError, ValueError, KeyError):
            time.sleep(0.1)
    pytest.fail("no host came up")
