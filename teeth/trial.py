"""Plants defects in a copy of the project, and runs their scenarios there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uv
from pytest_bdd.scenario import make_python_name

from deployer.errors import ConfigurationError, MissingToolError
from evidence.model import Phase, ScenarioResult, Status, load_run
from evidence.surroundings import Bite, Outcome
from teeth.defect import Defect

_TEST_MODULE = "features/test_features.py"
_SECONDS = 900.0
"""The longest that one environment with its scenario may take."""
_CONTROL_SECONDS = 2700.0
# Of the project that starts the trial; they would lead its copy back to it.
_NOT_INHERITED = {"VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "MITA_ENVIRONMENT", "PYTEST_ADDOPTS"}
_LAST_LINES = 5


class Copy:
    """A copy of the project with an environment of Python's own, so that nothing leads back.

    Args:
        root: The project's directory.
        place: Where to put the copy.

    Raises:
        ConfigurationError: The project is no clone.
        MissingToolError: The copy's environment cannot be made.
    """

    def __init__(self, root: Path, place: Path) -> None:
        self.directory = place / "project"
        self._state = place / "state"
        for name in _tracked(root):
            target = self.directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target, follow_symlinks=False)
        done = subprocess.run(
            [uv.find_uv_bin(), "sync", "--locked", "--quiet"],
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingToolError(
                "the copy's Python environment",
                expected="to be made by uv",
                seen=_end(done.stderr),
                remedy="See that the package registry can be reached.",
            )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        return kept | {"MITA_STATE": str(self._state)}

    @contextmanager
    def planted(self, defect: Defect) -> Iterator[None]:
        """Have a defect in the copy for a while.

        Raises:
            ConfigurationError: The text to change is not there once.
        """
        before: dict[Path, str] = {}
        try:
            for edit in defect.edits:
                path = self.directory / edit.file
                text = path.read_text(encoding="utf-8")
                before.setdefault(path, text)
                if text.count(edit.right) != 1:
                    raise ConfigurationError(
                        f"defect: {defect.name}",
                        expected=f"its text once in {edit.file}",
                        seen=f"{text.count(edit.right)} times",
                        remedy="Change the catalogue as the source has changed.",
                    )
                path.write_text(text.replace(edit.right, edit.wrong), encoding="utf-8")
            yield
        finally:
            for path, text in before.items():
                path.write_text(text, encoding="utf-8")

    def run(self, nodes: Sequence[str], report: Path, seconds: float) -> tuple[list[ScenarioResult], str]:
        """Run scenarios in an environment of their own.

        Returns:
            Their results, and the last that was printed.
        """
        shutil.rmtree(report, ignore_errors=True)
        command = [".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--report-dir"]
        child = subprocess.Popen(
            [*command, str(report), *nodes],
            cwd=self.directory,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            printed, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # As a user would: the environment is taken down on the way out.
            child.send_signal(signal.SIGINT)
            printed, _ = child.communicate()
        except BaseException:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
        try:
            return list(load_run(report).scenarios), _end(printed)
        except ConfigurationError:
            return [], _end(printed)


def _tracked(root: Path) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(
            str(root), expected="a clone that git can list", seen=str(error), remedy="Clone the project."
        ) from error
    return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]


@contextmanager
def copy_of(root: Path) -> Iterator[tuple[Copy, Path]]:
    """Make a copy of the project for as long as it is needed, and a directory for its reports."""
    with tempfile.TemporaryDirectory(prefix="mita-teeth-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # PostgreSQL's account has to pass through it where we are root
        yield Copy(root, Path(name)), Path(name) / "report"


def node(defect: Defect) -> str:
    """Return what pytest calls a defect's scenario, with its example."""
    example = f"[{'-'.join(defect.example)}]" if defect.example else ""
    return f"{_TEST_MODULE}::test_{make_python_name(defect.scenario)}{example}"


def try_out(copy: Copy, defect: Defect, report: Path) -> Bite:
    """Plant a defect, run its scenario, and say what came of it."""
    began = time.monotonic()
    with copy.planted(defect):
        results, printed = copy.run([node(defect)], report, _SECONDS)
    outcome, detail = judge(defect, results)
    if outcome is Outcome.NOT_TRIED:
        detail = f"{detail} {printed}"
    scenario = f"{defect.scenario} ({', '.join(defect.example)})" if defect.example else defect.scenario
    return Bite(
        defect=defect.name,
        scenario=scenario,
        step=defect.step,
        outcome=outcome,
        detail=detail,
        seconds=time.monotonic() - began,
    )


def judge(defect: Defect, results: Sequence[ScenarioResult]) -> tuple[Outcome, str]:
    """Tell from a run's results whether a defect was noticed by the step that is made for it."""
    mine = [result for result in results if _is_of(defect, result) and result.status is not Status.NOT_RUN]
    if len(mine) != 1:
        return Outcome.NOT_TRIED, f"{len(mine)} results of the scenario, not one."
    (result,) = mine
    if result.status is Status.PASSED:
        return Outcome.SURVIVED, "The scenario passed."
    if result.status is not Status.FAILED:
        return Outcome.NOT_TRIED, f"The scenario was {result.status}: {result.reason}"
    if result.phase is not Phase.STEPS:
        return Outcome.ELSEWHERE, f"It failed in its {result.phase}: {result.reason}"
    at = next((step.text for step in result.steps if step.status is Status.FAILED), "")
    if at.startswith(defect.step):
        return Outcome.NOTICED, result.reason
    return Outcome.ELSEWHERE, f"It failed at “{at}”: {result.reason}"


def _is_of(defect: Defect, result: ScenarioResult) -> bool:
    return result.title == defect.scenario and tuple(result.example.values()) == defect.example


def is_sound(copy: Copy, defects: Sequence[Defect], report: Path) -> str | None:
    """Run all their scenarios where nothing is planted; says what keeps them from passing."""
    wanted = dict.fromkeys(node(defect) for defect in defects)
    results, printed = copy.run(list(wanted), report, _CONTROL_SECONDS)
    failed = [result for result in results if result.status is Status.FAILED]
    passed = sum(result.status is Status.PASSED for result in results)
    if failed or passed != len(wanted):
        named = "; ".join(f"{each.title}: {each.reason}" for each in failed)
        return f"{passed} of {len(wanted)} passed. {named or printed}"
    return None


def _end(printed: str) -> str:
    return " / ".join(printed.strip().splitlines()[-_LAST_LINES:])
