"""``mita accept``."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import SecretStr

from deployer.desired import read
from deployer.errors import ConfigurationError, MitaError, NotReadyError
from deployer.progress import Progress, Step
from environments.managed import Managed
from environments.protocol import Environment
from environments.registry import create
from evidence.catalogue import read_features
from evidence.criteria import load_criteria
from evidence.forms import write_forms
from evidence.manifest import seal
from evidence.model import RESULTS_FILE, Run, save_run, write_atomically
from evidence.recorder import JUNIT_FILE
from evidence.redaction import SHORTEST, Redactor
from evidence.report import new_directory, point_latest
from mita.console import progress
from mita.interruption import ended_in_order
from mita.options import environment_options
from mita.report_commands import REPORTS, code, tell
from steps.deploying import COLLECTED, DEPLOYMENT_FILE, deploy, may_be_deployed

_ROOT = Path(__file__).parent.parent
_FEATURES = _ROOT / "features"
_END_SECONDS = 60.0


@click.command(
    epilog="""\b
Examples:
  mita accept
  mita accept --keep && eval "$(mita env)"
  mita accept -m production-smoke --environment production --config production.toml

\b
Exits with 0 when the verdict is passed, 1 when it is failed, 3 when it is incomplete,
130 when it was interrupted.
"""
)
@environment_options
@click.option("--keep", is_flag=True, help="Leave an environment running that was started here.")
@click.option("-m", "marks", metavar="TAGS", help="Only the scenarios with these tags, as pytest takes them.")
@click.option(
    "--reports",
    type=click.Path(file_okay=False, path_type=Path),
    default=REPORTS,
    metavar="DIR",
    help="Where the run's own directory is made; reports/ of the project by default.",
)
@click.pass_context
def accept(
    context: click.Context,
    *,
    environment: str,
    config: Path | None,
    keep: bool,
    marks: str | None,
    reports: Path,
) -> None:
    """Prove the whole thing: environment, deployment, features, report.

    An environment that runs already is used and left running, and only what is missing in it is deployed.
    """
    if not _FEATURES.is_dir():
        raise ConfigurationError(
            str(_FEATURES),
            expected="the feature files",
            seen="no such directory",
            remedy="Run mita from a checkout of the project.",
        )
    place = create(environment, config)
    began = time.monotonic()
    directory = new_directory(reports.resolve(), place.name.replace(":", "-"), datetime.now(UTC))
    point_latest(directory)
    known = Redactor()
    with ended_in_order(), ExitStack() as undo:
        try:
            with progress() as show:
                with _stage(show, "environment"):
                    undo.callback(_leave, place, keep=keep)
                    place.start(show)
                ready = time.monotonic() - began if isinstance(place, Managed) and place.is_ours else None
                if may_be_deployed(place):
                    with _stage(show, "deployment"):
                        _deploy(place, directory, show, known, ready)
        except MitaError as error:
            _report_failure(place, directory, error, known)
            raise
        _run_features(place, directory, config, marks)
    tell(directory, seconds=time.monotonic() - began)
    context.exit(code(directory))


@contextmanager
def _stage(show: Progress, name: str) -> Iterator[None]:
    began = time.monotonic()
    show(Step(f"stage: {name}", "started"))
    yield
    show(Step(f"stage: {name}", "done", f"{time.monotonic() - began:.1f} s"))


def _leave(place: Environment, *, keep: bool) -> None:
    if keep and isinstance(place, Managed):
        place.detach()
        return
    with progress() as show, _stage(show, "clean-up"):
        place.stop()


def _report_failure(place: Environment, directory: Path, error: MitaError, known: Redactor) -> None:
    """Leave a report of a run that did not come to its features, with the environment's logs."""
    problem = known.redact(f"No scenario could run: {error}")
    place.collect(directory / COLLECTED)
    leaks = {f"The value of {leak.name} was found in {leak.place}." for leak in known.cleanse(directory)}
    now = datetime.now(UTC)
    run = Run(
        environment=place.name,
        started=now,
        finished=now,
        problems=(problem, *sorted(leaks)),
        criteria=load_criteria(_FEATURES / "criteria.toml"),
        features=read_features(_FEATURES),
    )
    save_run(run, directory)
    report = write_forms(run, directory)
    seal(directory)
    click.echo(f"Report: {report}", err=True)


def _deploy(
    place: Environment, directory: Path, show: Progress, known: Redactor, ready: float | None
) -> None:
    """Deploy, and leave word of it, and of the seconds before, for the report; no secret value is shown."""

    def told(step: Step, /) -> None:
        show(Step(step.subject, step.state, known.redact(step.detail), step.fraction))

    def on_secret(name: str, value: SecretStr) -> None:
        if len(value.get_secret_value()) >= SHORTEST:
            known.register(name, value)

    deployed = deploy(place, read(), progress=told, on_secret=on_secret)
    summary = deployed.model_copy(update={"ready_seconds": ready})
    write_atomically(directory / DEPLOYMENT_FILE, summary.model_dump_json(indent=1))


def _run_features(place: Environment, directory: Path, config: Path | None, marks: str | None) -> None:
    """Run pytest as a child, which attaches to the environment; its results are judged, not its exit code.

    Raises:
        NotReadyError: It ended without results.
    """
    arguments = [
        *(sys.executable, "-m", "pytest", str(_FEATURES), "--environment", place.name),
        *("--report-dir", str(directory), f"--junitxml={directory / JUNIT_FILE}"),
        *((f"--config={config.absolute()}",) if config else ()),
        *(("-m", marks) if marks else ()),
    ]
    # A process group of its own: an interruption is passed on once, however it came.
    child = subprocess.Popen(arguments, cwd=_ROOT, process_group=0)
    try:
        code = child.wait()
    except BaseException:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(_END_SECONDS)
        except BaseException:
            child.kill()
            child.wait()
            raise
        raise
    if not (directory / RESULTS_FILE).exists():
        raise NotReadyError(
            "features",
            expected=f"results in {directory}",
            seen=f"none; pytest ended with {code}",
            remedy="Read what pytest wrote above.",
        )
