from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reference_app.settings import Kind, Settings


def test_every_setting_has_a_default() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.directories[Kind.DATABASE] == Path("/etc/mita/secrets/database")
    assert set(settings.directories) == set(Kind)


def test_the_environment_overrides_the_defaults() -> None:
    settings = Settings.from_environment(
        {
            "MITA_HOST": "127.0.0.9",
            "MITA_PORT": "8001",
            "MITA_CACHE_DIRECTORY": "/c",
            "MITA_DRAIN_SECONDS": "0.5",
        }
    )
    assert (settings.host, settings.port, settings.drain_seconds) == ("127.0.0.9", 8001, 0.5)
    assert settings.directories[Kind.CACHE] == Path("/c")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MITA_PORT", "http"),
        ("MITA_PORT", "0"),
        ("MITA_PORT", "8000.5"),
        ("MITA_PORT", "65536"),
        ("MITA_DRAIN_SECONDS", "nan"),
        ("MITA_POLL_SECONDS", "0"),
    ],
)
def test_a_wrong_number_is_named_with_its_range(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: expected a number from .* to .*; seen '{value}'"):
        Settings.from_environment({name: value})


def test_a_wrong_setting_ends_the_process_with_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "reference_app"],
        env={"MITA_PORT": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == "MITA_PORT: expected a number from 1 to 65535; seen 'x'\n"
