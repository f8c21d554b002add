"""The same sources give the same package, and the package has all that its function needs."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest

from deployer import lambda_package
from deployer.errors import ConfigurationError, MissingToolError
from deployer.lambda_package import FUNCTIONS, Package, build


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_two_builds_are_the_same_bytes(function: str, tmp_path: Path, cache: Path) -> None:
    first = build(function, tmp_path / "first", cache=cache)
    # The other one fetches everything again.
    second = build(function, tmp_path / "second", cache=tmp_path / "cache")

    assert first.sha256 == second.sha256
    assert first.path.name == f"{function.replace('_', '-')}.zip"
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == first.sha256
    assert base64.b64decode(first.code_sha256).hex() == first.sha256


def test_members_are_sorted_and_say_nothing_of_this_machine(tmp_path: Path, cache: Path) -> None:
    package = build("database_rotation", tmp_path, cache=cache)

    with zipfile.ZipFile(package.path) as archive:
        members = archive.infolist()
        texts = b"".join(archive.read(each) for each in members)
    assert [each.filename for each in members] == sorted(each.filename for each in members)
    assert {each.date_time for each in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {each.external_attr >> 16 for each in members} == {0o100644}
    assert str(cache).encode() not in texts
    assert sys.prefix.encode() not in texts


def test_a_package_has_its_own_handler_only(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(build("jwt_rotation", tmp_path, cache=cache).path) as archive:
        names = archive.namelist()

    assert names == [
        "deployer/__init__.py",
        "deployer/value_forms.py",
        "jwt_rotation.py",
        "rotation_errors.py",
        "rotation_protocol.py",
        "secret_document.py",
        "secrets_manager.py",
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_runs_by_itself(function: str, tmp_path: Path, cache: Path) -> None:
    """Only boto3 comes with the runtime; no other package of this project is there."""
    done = in_the_runtime(
        sys.executable,
        build(function, tmp_path, cache=cache),
        tmp_path,
        f"import {function} as f\n"
        "try:\n    f.lambda_handler({'Step': 'other'}, None)\n"
        "except Exception as error:\n    print(type(error).__name__)",
    )

    assert done.stdout.splitlines()[-1] == "EventError", done.stderr


def in_the_runtime(
    python: str, package: Package, scratch: Path, program: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with a package unpacked, as Lambda does, and boto3's own packages beside it."""
    task, runtime = scratch / "task", scratch / "runtime"
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(task)
    runtime.mkdir(exist_ok=True)
    for name in ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six.py"):
        link = runtime / name
        if not link.is_symlink():
            link.symlink_to(site_packages() / name)
    return subprocess.run(
        [python, "-s", "-B", "-c", program],
        cwd=task,
        env={
            "PYTHONPATH": f"{task}:{runtime}",
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "AWS_DEFAULT_REGION": "us-east-1",
            **(settings or {}),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def site_packages() -> Path:
    return Path(boto3.__file__).parent.parent


def test_an_unknown_function_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one of database_rotation, external_rotation"):
        build("other_rotation", tmp_path, cache=tmp_path)


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    directory = tmp_path / "sources"
    directory.mkdir()
    (directory / "database_rotation.py").write_text("")
    monkeypatch.setattr(lambda_package, "_SOURCES", directory)
    return directory


def test_a_wrong_hash_is_refused_and_nothing_is_kept(sources: Path, tmp_path: Path) -> None:
    pin = f"six==1.17.0 --hash=sha256:{'0' * 64}\n"
    (sources / "database_rotation.requirements.txt").write_text(pin)

    with pytest.raises(MissingToolError, match=r"database_rotation.requirements.txt: .* exit code"):
        build("database_rotation", tmp_path / "into", cache=tmp_path / "cache")

    assert not (tmp_path / "into").exists()
    assert list((tmp_path / "cache" / "lambda").iterdir()) == []


def test_a_compiled_dependency_is_refused(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sources / "database_rotation.requirements.txt").write_text("fast==1\n")

    def install(_requirements: Path, target: Path, _cache: Path) -> None:
        target.mkdir()
        (target / "fast.cpython-311-x86_64-linux-gnu.so").touch()

    monkeypatch.setattr(lambda_package, "_install", install)

    with pytest.raises(MissingToolError, match=r"fast.cpython.*pure Python"):
        build("database_rotation", tmp_path / "into", cache=tmp_path / "cache")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=str(tmp_path / "file")):
        build("jwt_rotation", tmp_path / "file" / "into", cache=cache)
