"""Directories that change all at once."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from environments.embedded.node.atomic_directory import File, write


def files(**contents: str) -> dict[str, File]:
    return {name: File(content.encode(), 0o644) for name, content in contents.items()}


def shown(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file() and not path.relative_to(directory).parts[0].startswith("..")
    }


def test_files_are_shown_with_their_modes_in_the_kubelets_layout(tmp_path: Path) -> None:
    volume = tmp_path / "pod" / "volume"
    write(volume, {"a": File(b"1", 0o400), "deep/er/b": File(b"2", 0o640)})
    assert (volume / "a").readlink() == Path("..data/a")
    assert (volume / "deep").readlink() == Path("..data/deep")
    assert (volume / "..data").readlink().name.startswith("..20")
    assert (volume / "deep/er/b").read_text() == "2"
    modes = [stat.S_IMODE((volume / name).stat().st_mode) for name in ("a", "deep/er/b")]
    assert modes == [0o400, 0o640]


def test_a_change_replaces_adds_and_removes_and_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, {**files(same="1", changed="1", gone="1"), "deep/x": File(b"1", 0o600)})
    write(tmp_path, files(same="1", changed="2", new="2"))
    assert shown(tmp_path) == {"same": "1", "changed": "2", "new": "2"}
    names = sorted(entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".."))
    assert len(names) == 2  # the data and the link to it
    assert "..data" in names


def test_no_files_are_a_state_too(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    write(tmp_path, {})
    assert shown(tmp_path) == {}


def test_what_cannot_be_written_leaves_the_old_state(tmp_path: Path) -> None:
    write(tmp_path, files(a="1"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"exists|directory"):
        write(tmp_path, {"a": File(b"2", 0o600), "a/b": File(b"2", 0o600)})
    assert shown(tmp_path) == {"a": "1"}
    assert sorted(tmp_path.iterdir()) == before


def test_a_reader_never_sees_a_half_state(tmp_path: Path) -> None:
    names = [f"key{number}" for number in range(5)]
    write(tmp_path, files(**dict.fromkeys(names, "0")))
    states: set[frozenset[str]] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                state = os.open(tmp_path / "..data", os.O_RDONLY)
                try:
                    texts = {_read_at(state, name) for name in names}
                finally:
                    os.close(state)
            except FileNotFoundError:
                continue  # replaced while it was read: read anew, as every consumer has to
            states.add(frozenset(texts))

    reader = threading.Thread(target=read)
    reader.start()
    for generation in range(1, 200):
        write(tmp_path, files(**dict.fromkeys(names, str(generation))))
    done.set()
    reader.join()
    assert len(states) > 2
    assert {len(state) for state in states} == {1}


def _read_at(directory: int, name: str) -> str:
    descriptor = os.open(name, os.O_RDONLY, dir_fd=directory)
    with os.fdopen(descriptor) as file:
        return file.read()
