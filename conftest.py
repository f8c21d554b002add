"""Options of the features; everything else of theirs is loaded with them alone (features/conftest.py)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Steps are not test modules by name; their assertions explain themselves all the same.
pytest.register_assert_rewrite("steps")


def pytest_configure(config: pytest.Config) -> None:
    """Leave the suite's own tests alone where only scenarios are asked for that change nothing."""
    by_default = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if by_default and "production-smoke" in config.option.markexpr.split(" and "):
        config.args = [path for path in config.args if path != "tests"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that say where the features run and where their report goes."""
    group = parser.getgroup("acceptance", "acceptance features")
    group.addoption(
        "--environment",
        metavar="NAME",
        default=os.environ.get("MITA_ENVIRONMENT", "embedded"),
        help="where the features run (default: embedded)",
    )
    group.addoption(
        "--config", metavar="FILE", type=Path, default=None, help="what a real environment is described by"
    )
    group.addoption(
        "--authorise",
        metavar="CHANGE-ID",
        default=None,
        help="the change that is authorised in a real environment; it is only read without",
    )
    group.addoption(
        "--report-dir",
        metavar="DIR",
        type=Path,
        default=None,
        help="directory of the report (default: a new one below reports/)",
    )
