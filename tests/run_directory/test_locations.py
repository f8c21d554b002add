from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError
from environments.embedded.locations import cache_directory, state_directory

BOTH = [("MITA_CACHE", cache_directory, "cache"), ("MITA_STATE", state_directory, "lib")]


@pytest.mark.parametrize(("variable", "locate", "_root"), BOTH)
def test_a_variable_overrides(
    monkeypatch: pytest.MonkeyPatch, variable: str, locate: Callable[[], Path], _root: str
) -> None:
    monkeypatch.setenv(variable, "/somewhere/else")
    assert locate() == Path("/somewhere/else")


@pytest.mark.parametrize(("variable", "locate", "_root"), BOTH)
def test_a_relative_override_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, locate: Callable[[], Path], _root: str
) -> None:
    monkeypatch.setenv(variable, "here")
    with pytest.raises(ConfigurationError, match="absolute"):
        locate()


@pytest.mark.parametrize(("variable", "locate", "root"), BOTH)
def test_root_and_others_have_their_own(
    monkeypatch: pytest.MonkeyPatch, variable: str, locate: Callable[[], Path], root: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert locate() == Path("/var") / root / "mita"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert locate().is_relative_to(Path.home())
