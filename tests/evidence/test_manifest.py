from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import ConfigurationError, RefusedError
from evidence.manifest import MANIFEST_FILE, require_unchanged, seal, verify


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    (tmp_path / "environment").mkdir()
    (tmp_path / "report.html").write_text("<p>passed</p>")
    (tmp_path / "environment" / "etcd.log").write_text("started\n")
    (tmp_path / "environment" / "latest").symlink_to("etcd.log")
    seal(tmp_path)
    return tmp_path


def test_the_manifest_has_name_size_and_sum_of_every_file_but_itself(sealed: Path) -> None:
    entries = {entry["name"]: entry for entry in json.loads((sealed / MANIFEST_FILE).read_text())["files"]}

    assert list(entries) == ["environment/etcd.log", "environment/latest", "report.html"]
    assert entries["report.html"]["size"] == len("<p>passed</p>")
    assert entries["report.html"]["sha256"] == hashlib.sha256(b"<p>passed</p>").hexdigest()


def test_a_directory_as_it_was_left_does_not_differ(sealed: Path) -> None:
    assert not verify(sealed)
    require_unchanged(sealed)


def test_sealing_again_leaves_no_trace_of_the_manifest_before(sealed: Path) -> None:
    first = (sealed / MANIFEST_FILE).read_text()
    seal(sealed)

    assert (sealed / MANIFEST_FILE).read_text() == first
    assert sorted(path.name for path in sealed.iterdir()) == ["environment", MANIFEST_FILE, "report.html"]


def _same_size(directory: Path) -> None:
    (directory / "report.html").write_text("<p>failed</p>")


def _removed(directory: Path) -> None:
    (directory / "environment" / "etcd.log").unlink()


def _more(directory: Path) -> None:
    (directory / "environment" / "of my own").touch()


def _led_elsewhere(directory: Path) -> None:
    link = directory / "environment" / "latest"
    link.unlink()
    link.symlink_to("/dev/null")


def _file_for_link(directory: Path) -> None:
    link = directory / "environment" / "latest"
    link.unlink()
    link.write_text("etcd.log")


@pytest.mark.parametrize(
    ("touch", "told"),
    [
        (_same_size, "changed: report.html"),
        (_removed, "missing: environment/etcd.log"),
        (_more, "added: environment/of my own"),
        (_led_elsewhere, "changed: environment/latest"),
        (_file_for_link, "changed: environment/latest"),
    ],
)
def test_what_was_touched_is_named(sealed: Path, touch: Callable[[Path], None], told: str) -> None:
    touch(sealed)

    assert str(verify(sealed)) == told
    with pytest.raises(RefusedError, match=told):
        require_unchanged(sealed)


def test_a_run_that_never_came_to_its_end_is_not_sealed(tmp_path: Path) -> None:
    require_unchanged(tmp_path)
    with pytest.raises(ConfigurationError, match=MANIFEST_FILE):
        verify(tmp_path)


def test_a_manifest_that_was_tampered_with_is_no_manifest(sealed: Path) -> None:
    (sealed / MANIFEST_FILE).write_text('{"files": "all fine"}')

    with pytest.raises(ConfigurationError, match=MANIFEST_FILE):
        verify(sealed)
