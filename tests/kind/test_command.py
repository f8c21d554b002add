"""``mita images``."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deployer.errors import ConfigurationError
from environments.kind.offline.table import Recipe, Table, load
from mita.images_command import images

EMPTY = Recipe(reference="mita.invalid/empty:v1", entrypoint=("/none",))


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # pytest's own directories are closed to other users; the cache must not be.
    with tempfile.TemporaryDirectory(prefix="images-") as name:
        Path(name).chmod(0o755)
        monkeypatch.setenv("MITA_CACHE", name)
        yield Path(name)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with one image, in which there is nothing."""

    def read(*, mirror: str | None = None) -> Table:
        return load(mirror=mirror).model_copy(update={"images": {"empty": EMPTY}})

    monkeypatch.setattr("mita.images_command.load", read)


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(images, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_list_tells_what_there_is_and_builds_nothing(cache: Path) -> None:
    result = invoke("list")
    assert result.exit_code == 0
    lines = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
    assert set(lines) == set(load().images)
    assert lines["node"] == ["mita.invalid/kind-node:v1.34.4", "Debian", "to", "build"]
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("small")
def test_an_image_is_put_where_it_is_wanted_with_its_bill(cache: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "images"
    result = invoke("build", "--output", str(output))
    assert result.exit_code == 0
    assert f"mita.invalid/empty:v1\t{output / 'empty.tar'}" in result.output
    assert {path.name for path in output.iterdir()} == {"empty.tar", "empty.cdx.json"}
    with tarfile.open(output / "empty.tar") as tar:
        assert "manifest.json" in tar.getnames()
    assert json.loads((output / "empty.cdx.json").read_text())["metadata"]["component"]["name"] == (
        "mita.invalid/empty"
    )
    assert str(cache) in invoke("list").output


@pytest.mark.usefixtures("cache", "small")
def test_an_output_that_is_a_file_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()
    with pytest.raises(ConfigurationError, match="a directory that can be written"):
        invoke("build", "--output", str(taken / "below"))


def test_an_unknown_image_is_refused_before_anything_is_built(cache: Path) -> None:
    with pytest.raises(ConfigurationError, match="seen nodes"):
        invoke("build", "nodes")
    assert list(cache.iterdir()) == []
