"""Packages of the rotation functions: the same sources give the same bytes, on any machine."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv

from deployer.errors import ConfigurationError, MissingToolError

FUNCTIONS = ("database_rotation", "external_rotation", "jwt_rotation", "redis_rotation")
PYTHON_VERSION = "3.11"  # of Lambda's runtime, as the guide has it

_DEPLOYER = Path(__file__).parent
_SOURCES = _DEPLOYER / "artifacts" / "infrastructure" / "lambda" / "secret-rotation"
# What the functions share with the deployer, under the name that it has there.
_SHARED_WITH_DEPLOYER = ("__init__.py", "value_forms.py")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # what a zip can say
_READABLE_FILE = 0o100644 << 16
_UNIX = 3
# What an installer writes about itself, and what only a shell needs.
_LEFT_OUT = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json", ".lock"}
_LEFT_OUT_DIRECTORIES = {"bin", "__pycache__"}
_COMPILED = {".so", ".pyd", ".dylib"}
# Of the project's own environment; they would redirect uv.
_NOT_INHERITED = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"}
_LAST_LINES = 4


@dataclass(frozen=True, slots=True)
class Package:
    """A function's zip file.

    Attributes:
        path: Where it lies.
        sha256: Its digest, in hexadecimal.
    """

    path: Path
    sha256: str

    @property
    def code_sha256(self) -> str:
        """The digest as Lambda states it for the code that it has."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()


def build(function: str, into: Path, *, cache: Path) -> Package:
    """Write a function's package, with what it depends on.

    Dependencies are fetched once and kept by the content of the requirements.  Members are
    stored, sorted, and carry no times, so that neither the machine nor its zlib shows.

    Args:
        function: One of `FUNCTIONS`.
        into: Directory for the zip, made where it is missing.
        cache: Directory for dependencies.

    Raises:
        ConfigurationError: There is no such function, or a directory cannot be written.
        MissingToolError: Dependencies cannot be fetched, or are not what is pinned.
    """
    if function not in FUNCTIONS:
        raise ConfigurationError(
            f"function {function}",
            expected=f"one of {', '.join(FUNCTIONS)}",
            seen="another",
            remedy="Name one.",
        )
    try:
        members = dict(_members(function, cache))
        into.mkdir(parents=True, exist_ok=True)
        path = into / f"{function.replace('_', '-')}.zip"
        with tempfile.TemporaryDirectory(dir=into, prefix=".package-") as scratch:
            draft = Path(scratch) / path.name
            _write(draft, members)
            draft.replace(path)
    except OSError as error:
        raise ConfigurationError(
            str(error.filename or into),
            expected="a directory that can be written, with free space",
            seen=error.strerror or type(error).__name__,
            remedy="Make room or give yourself access, or name another directory.",
        ) from error
    return Package(path, hashlib.sha256(path.read_bytes()).hexdigest())


def _write(path: Path, members: dict[str, Path]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE_FILE
            archive.writestr(entry, members[name].read_bytes())


def _members(function: str, cache: Path) -> Iterator[tuple[str, Path]]:
    """Name every file of a package, with where it comes from."""
    requirements = _SOURCES / f"{function}.requirements.txt"
    if requirements.exists():
        vendored = _vendored(requirements, cache)
        for path in vendored.rglob("*"):
            if path.is_file():
                yield path.relative_to(vendored).as_posix(), path
        yield "requirements.txt", requirements
    for path in _SOURCES.glob("*.py"):
        if path.stem == function or path.stem not in FUNCTIONS:
            yield path.name, path
    for name in _SHARED_WITH_DEPLOYER:
        yield f"deployer/{name}", _DEPLOYER / name


def _vendored(requirements: Path, cache: Path) -> Path:
    """Return the directory with installed requirements, installing them if they are not there yet."""
    pinned = f"{PYTHON_VERSION}\n{requirements.read_text()}"
    entry = cache / "lambda" / hashlib.sha256(pinned.encode()).hexdigest()[:16]
    if not entry.is_dir():
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".partial-") as scratch:
            content = Path(scratch) / "content"
            _install(requirements, content, cache)
            _clean(content)
            try:
                # It gets its name when it is whole.
                content.rename(entry)
            except OSError:
                if not entry.is_dir():  # unless another run was faster
                    raise
    return entry


def _install(requirements: Path, target: Path, cache: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    environment.setdefault("UV_CACHE_DIR", str(cache / "uv"))
    command = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(target)]
    command += ["--python", sys.executable, "--python-version", PYTHON_VERSION, "--link-mode", "copy"]
    command += ["--only-binary", ":all:", "--require-hashes", "--no-deps", "--requirement", str(requirements)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise MissingToolError(
            requirements.name,
            expected="uv to install what it pins",
            seen=f"exit code {done.returncode}: {' | '.join(lines[-_LAST_LINES:])}",
            remedy="Let uv reach an index (UV_DEFAULT_INDEX, HTTPS_PROXY), and see that the hashes hold.",
        )


def _clean(directory: Path) -> None:
    """Leave only what the function needs and what does not depend on this machine."""
    for path in sorted(directory.rglob("*"), reverse=True):  # what is inside comes before its directory
        if path.is_dir() and path.name in _LEFT_OUT_DIRECTORIES:
            shutil.rmtree(path)
        elif path.name in _LEFT_OUT:
            path.unlink()
        elif path.suffix in _COMPILED:
            raise MissingToolError(
                str(path.relative_to(directory)),
                expected="packages of pure Python, which run on every machine of Lambda's",
                seen="a compiled module",
                remedy="Pin another version, or another package.",
            )
