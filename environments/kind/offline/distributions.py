"""Distributions from PyPI for the Python of an image, in the versions that are pinned."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path, PurePosixPath

import uv

from deployer.errors import MissingToolError
from environments.embedded.toolchain import child, failures

# Of each release of Debian, as uv names them: its Python, and the C library that its wheels may need.
_PYTHONS = {"trixie": ("3.13", "manylinux_2_40")}
# Published as sources only, and without compiled parts.
_FROM_SOURCES = ("airspeed-ext", "crontab", "jsonpath-rw")
# Of the project's own environment; they would redirect uv.
_NOT_INHERITED = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}
# Start with the interpreter of the machine that installs, or tell of it.
_OF_THE_MACHINE = {"bin", "direct_url.json", "uv_cache.json", "__pycache__", ".lock"}


def known() -> frozenset[str]:
    """Return the releases of Debian whose Python distributions can be installed for."""
    return frozenset(_PYTHONS)


def install(requirements: Path, suite: str, into: Path, *, log: Path, cache: Path) -> None:
    """Install what a file of requirements pins, with hashes, into a directory.

    Args:
        requirements: The file.
        suite: The Debian whose Python it is for.
        into: The directory; need not exist.
        log: Takes uv's output.
        cache: The cache directory; uv's own is in it.

    Raises:
        MissingToolError: It cannot be installed.
    """
    python, libc = _PYTHONS[suite]
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    inherited.setdefault("UV_CACHE_DIR", str(cache / "uv"))
    code = child.run(
        [
            *(uv.find_uv_bin(), "pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *(option for each in _FROM_SOURCES for option in ("--no-binary", each)),
            *("--python-version", python, "--python-platform", f"{platform.machine()}-{libc}"),
            *("--link-mode", "copy", "--target", str(into), "--requirements", str(requirements)),
        ],
        directory=requirements.parent,
        environment=inherited,
        log=log,
        tick=lambda _seconds: None,
    )
    if code != 0:
        raise MissingToolError(
            requirements.name,
            expected=f"every distribution that it pins to be installed for Python {python}",
            seen=f"exit code {code}: {failures.last_lines(log.read_text(errors='replace'))} (log: {log})",
            remedy="Let uv reach a package index (UV_DEFAULT_INDEX), then start again.",
        )


def leaves_out(name: PurePosixPath) -> bool:
    """Tell whether an installed file stays out of the image."""
    return name.parts[0] in _OF_THE_MACHINE or name.name in _OF_THE_MACHINE or "__pycache__" in name.parts


def pinned(requirements: str) -> list[tuple[str, str]]:
    """Return the names and versions that a file of requirements pins."""
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", requirements, re.MULTILINE)
