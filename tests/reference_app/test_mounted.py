from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reference_app import mounted
from tests.reference_app.mounts import MountedSecret


def test_each_generation_has_its_own_marker(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "secret")
    assert mounted.marker(tmp_path / "absent") == ""
    markers = []
    for value in ("a", "a", "b"):
        secret.write({"key": value})
        markers.append(mounted.marker(secret.path))
    assert len(set(markers)) == 3


def test_values_are_read_by_key_without_surrounding_white_space(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "secret")
    secret.write({"password": "p/+=\n", "port": "5432"})
    generation = mounted.read(secret.path)
    assert generation.values == {"password": "p/+=", "port": "5432"}
    assert generation.marker == mounted.marker(secret.path)


def test_a_generation_does_not_print_its_values(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "secret")
    secret.write({"password": "hunter2"})
    assert "hunter2" not in repr(mounted.read(secret.path))


def test_a_plain_directory_is_one_generation(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("value")
    assert mounted.read(tmp_path) == mounted.Generation(mounted.marker(tmp_path), {"key": "value"})


def test_nothing_mounted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mounted.read(tmp_path / "absent")


def test_a_read_never_mixes_two_generations(tmp_path: Path) -> None:
    secret = MountedSecret(tmp_path / "secret")
    secret.write({str(key): "0" for key in range(20)})
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            secret.write({str(key): str(number) for key in range(20)})

    writer = threading.Thread(target=swap)
    writer.start()
    try:
        seen = {frozenset(mounted.read(secret.path).values.values()) for _ in range(500)}
    finally:
        stop.set()
        writer.join()
    assert all(len(values) == 1 for values in seen), seen
    assert len(seen) > 5, "the writer has to have been at work meanwhile"
