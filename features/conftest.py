"""What `pytest` needs to run the features, and nothing else does: tags, steps, an environment, a report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import steps
from deployer.errors import MitaError
from environments.registry import create
from evidence.catalogue import read_features
from evidence.criteria import load_criteria
from evidence.recorder import JUNIT_FILE, NOT_EXERCISED, Recorder
from evidence.report import new_directory, point_latest
from features.step_definitions import step_modules
from features.tags import CRITERIA_FILE, DIRECTORY, needed_capabilities, registered
from steps.session import SESSION, FeatureSession

_REPORTS = DIRECTORY.parent / "reports"


def pytest_configure(config: pytest.Config) -> None:
    """Register tags and steps; make the environment, which the first scenario that needs it starts."""
    criteria = load_criteria(CRITERIA_FILE)
    for tag, meaning in registered(criteria).items():
        config.addinivalue_line("markers", f"{tag}: {meaning}")
    for module in step_modules(steps):
        if not config.pluginmanager.is_registered(module):
            config.pluginmanager.register(module, module.__name__)
    if config.option.collectonly:
        return
    try:
        environment = create(
            config.getoption("environment"),
            config.getoption("config"),
            authorise=config.getoption("authorise"),
        )
    except MitaError as error:
        raise pytest.UsageError(str(error)) from None
    recorder = Recorder(
        directory=_report_directory(config, environment.name),
        environment=environment.name,
        capabilities=environment.capabilities,
        features=read_features(DIRECTORY),
        criteria=criteria,
        features_directory=DIRECTORY,
    )
    config.option.xmlpath = config.option.xmlpath or str(recorder.directory / JUNIT_FILE)
    session = FeatureSession(config, environment, recorder, features=DIRECTORY, needed=needed_capabilities)
    config.stash[SESSION] = session
    config.pluginmanager.register(recorder, "recorder")
    config.pluginmanager.register(session, "feature-session")


def _report_directory(config: pytest.Config, environment: str) -> Path:
    chosen: Path | None = config.getoption("report_dir")
    if chosen is None:
        chosen = new_directory(_REPORTS, environment.replace(":", "-"), datetime.now(UTC))
        point_latest(chosen)
    chosen = chosen.resolve()
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out, with the reason, what this environment cannot show."""
    session = item.config.stash[SESSION]
    if session.may_not_run(item):
        reason = f"In {session.environment.name} no change is authorised, and this may make one."
        item.stash[NOT_EXERCISED] = reason
        pytest.skip(reason)
    lacking = session.lacking(item)
    if lacking:
        reason = f"The environment {session.environment.name} has no {', '.join(sorted(lacking))}."
        item.stash[NOT_EXERCISED] = reason
        pytest.skip(reason)
