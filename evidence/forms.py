"""The forms that a run's results are written in, each made from the results alone."""

from __future__ import annotations

from pathlib import Path

from evidence.messages import write_messages
from evidence.model import Run
from evidence.report import write_report


def write_forms(run: Run, directory: Path) -> Path:
    """Write every form of a run's results into its directory, and return the report for people.

    Raises:
        OSError: One cannot be written.
    """
    write_messages(run, directory)
    return write_report(run, directory)
