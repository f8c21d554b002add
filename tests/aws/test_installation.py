"""LocalStack's environment is made whole or not at all, and explained when it cannot be made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError, MissingToolError
from deployer.progress import Step
from environments.embedded.aws import ensure_localstack


def test_an_index_out_of_reach_is_explained_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    steps: list[Step] = []

    with pytest.raises(MissingToolError) as caught:
        ensure_localstack(steps.append, tmp_path)

    assert caught.value.subject == "localstack"
    assert "exit code" in caught.value.seen
    assert "UV_DEFAULT_INDEX" in caught.value.remedy
    assert steps[-1].state == "failed"
    assert not [path for path in (tmp_path / "toolchain").iterdir() if "localstack" in path.name]


def test_a_cache_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    # A file in the way refuses root as well.
    (tmp_path / "cache").touch()

    with pytest.raises(ConfigurationError) as caught:
        ensure_localstack(lambda _step: None, tmp_path / "cache")

    assert "MITA_CACHE" in caught.value.remedy


@pytest.mark.embedded
def test_what_is_there_is_not_made_again() -> None:
    python = ensure_localstack(lambda _step: None)
    steps: list[Step] = []

    assert ensure_localstack(steps.append) == python
    assert os.access(python, os.X_OK)
    assert steps == []
