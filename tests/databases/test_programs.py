"""PostgreSQL's programs run where the account can reach them."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.embedded.databases import programs
from environments.embedded.databases.account import Account, database_account
from environments.embedded.databases.programs import postgresql_programs

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that others may enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="mita-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MITA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_for_our_own_user_they_are_used_as_installed(cache: Path) -> None:
    assert "pginstall18" in str(postgresql_programs(None))
    assert not cache.exists()


@pytest.mark.parametrize(
    ("mode", "readable"), [(0o755, True), (0o711, True), (0o700, False), (0o744, False), (0o750, False)]
)
def test_reading_needs_every_directory_on_the_way(open_path: Path, mode: int, *, readable: bool) -> None:
    way = open_path / "closed" / "within"
    way.mkdir(parents=True)
    way.chmod(0o755)
    (open_path / "closed").chmod(mode)

    obstacle = Account(NOBODY.pw_uid, NOBODY.pw_gid).obstacle(way)

    assert obstacle == (None if readable else open_path / "closed")


def test_only_root_drops_to_another_account() -> None:
    account = database_account()

    assert account == (Account(NOBODY.pw_uid, NOBODY.pw_gid) if os.geteuid() == 0 else None)


def test_programs_out_of_reach_are_copied_once_and_work(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = Account(NOBODY.pw_uid, NOBODY.pw_gid)
    monkeypatch.setattr(Account, "obstacle", lambda _self, path: path)

    found = postgresql_programs(stranger)
    first = (found / "postgres").stat().st_ino

    assert found.is_relative_to(cache)
    answer = subprocess.run([found / "initdb", "--version"], capture_output=True, text=True, check=True)
    assert "18." in answer.stdout
    answer = subprocess.run([found / "psql", "--version"], capture_output=True, text=True, check=True)
    assert "18." in answer.stdout
    closed = [path for path in cache.rglob("pginstall18/**/*") if not path.stat().st_mode & 0o004]
    assert not closed
    assert (postgresql_programs(stranger) / "postgres").stat().st_ino == first


def test_the_package_has_the_version_that_is_promised() -> None:
    answer = subprocess.run(
        [programs.postgresql_programs(None) / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "18." in answer.stdout
