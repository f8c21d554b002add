from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.embedded.run_directory import RunDirectory


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("MITA_STATE", str(directory))
    return directory


@pytest.fixture
def run(state: Path) -> Iterator[RunDirectory]:
    assert state.is_dir()
    run = RunDirectory.claim("processes", numbers=range(64, 70), ports=())
    yield run
    run.release(remove=True)
