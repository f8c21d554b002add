from __future__ import annotations

from pathlib import Path

import pytest

# The range that these tests keep to, so that environments beside them are not disturbed.
NUMBERS = range(64, 70)


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("MITA_STATE", str(directory))
    return directory
