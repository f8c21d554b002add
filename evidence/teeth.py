"""The score of planted defects: which of them the scenarios noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from deployer.errors import ConfigurationError
from evidence.model import write_atomically
from evidence.surroundings import Score

TEETH_FILE = "teeth.json"
_ROOMS = (
    *("deployer", "environments", "evidence", "faults", "features", "loadtests", "mita", "reference_app"),
    *("secret_exporter", "steps", "teeth"),
)
_FILES = ("conftest.py", "pyproject.toml", "uv.lock")


def digest_of_sources(root: Path) -> str:
    """Return a digest of everything that decides what scenarios notice.

    Args:
        root: The project's directory.
    """
    total = hashlib.sha256()
    for path in _sources(root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for room in _ROOMS:
        yield from sorted(
            path
            for path in (root / room).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
        )
    yield from (root / name for name in _FILES if (root / name).is_file())


def save_score(score: Score, reports: Path) -> Path:
    """Keep a score beside the reports of runs, in the place of the one before."""
    return write_atomically(reports / TEETH_FILE, score.model_dump_json(indent=1) + "\n")


def load_score(reports: Path) -> Score | None:
    """Read the score that is kept beside the reports; None where there is none.

    Raises:
        ConfigurationError: It is not as this version writes it.
    """
    path = reports / TEETH_FILE
    try:
        return Score.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            str(path),
            expected="the score of planted defects",
            seen=str(error),
            remedy="Measure it anew: tox run -e teeth",
        ) from error
