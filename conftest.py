"""Options of the features; everything else of theirs is loaded with them alone (features/conftest.py)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Steps are not test modules by name; their assertions explain themselves all the same.
pytest.register_assert_rewrite("steps")


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
        "--report-dir",
        metavar="DIR",
        type=Path,
        default=None,
        help="directory of the report (default: a new one below reports/)",
    )
