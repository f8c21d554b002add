"""LocalStack's own virtual environment and the functions' one, made once and kept in the cache.

LocalStack pins what it needs, and packages newer than its last open release break it,
so it shares nothing with the project: ``runtime/uv.lock`` decides what is installed.
What the project changes in LocalStack lies in ``plugins`` and is installed beside it.
Lambda functions run in a third environment, with nothing but what ``functions/uv.lock`` pins.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path

import uv

from deployer.errors import MissingToolError
from deployer.progress import Progress, Step
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain import child, failures
from environments.embedded.toolchain.store import Store

NAME = "localstack"

_HERE = Path(__file__).parent
_RUNTIME = _HERE / "runtime"
_FUNCTIONS = _HERE / "functions"
PLUGINS = _HERE / "plugins"
# With an empty cache, on two cores.
_SECONDS = 60
# LocalStack's pins have no versions for later ones.
_NEWEST_PYTHON = (3, 13)
# Of the functions' runtime, as the guide has it.
_FUNCTIONS_PYTHON = "3.11"
# Of the project's own environment; they would redirect uv.
_NOT_INHERITED = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}


def ensure_localstack(progress: Progress, cache: Path | None = None) -> Path:
    """Find LocalStack's environment, or make it.

    An installation that was cut short takes up what was downloaded; two at once wait
    for each other.

    Args:
        progress: Told of an installation and its seconds.
        cache: The cache directory, if not the usual one.

    Returns:
        The Python interpreter that has LocalStack.

    Raises:
        ConfigurationError: The cache cannot be written, or its disk is full.
        MissingToolError: It cannot be installed.
    """
    store = Store(cache or cache_directory())
    entry = store.entry(NAME, _pinned_version(), Store.digest_of(_inputs()))
    python = entry / "venv" / "bin" / "python"
    if not _usable(python):
        try:
            with store.exclusive(progress):
                # Another run may have made it while this one waited.
                if not _usable(python):
                    _make(store, entry, progress)
        except OSError as error:
            explained = failures.unusable(store, error)
            if explained is None:
                raise
            raise explained from error
    return python


def function_python(localstack: Path) -> Path:
    """Return the Python that runs functions, beside the one that `ensure_localstack` returned."""
    return localstack.parents[2] / "functions" / "bin" / "python"


def _usable(python: Path) -> bool:
    # They are links, which lead nowhere once the interpreter behind them is uninstalled.
    return os.access(python, os.X_OK) and os.access(function_python(python), os.X_OK)


def _make(store: Store, entry: Path, progress: Progress) -> None:
    started = time.monotonic()
    progress(Step(NAME, "started", f"{_pinned_version()}, about {_SECONDS} s if from nothing", 0.0))
    try:
        store.publish(entry, lambda into: _install(store, into, progress))
    except BaseException as error:
        progress(Step(NAME, "failed", type(error).__name__))
        raise
    progress(Step(NAME, "done", f"in {time.monotonic() - started:.0f} s", 1.0))


def _install(store: Store, into: Path, progress: Progress) -> None:
    tool = _Uv(store, progress)
    tool.environment(
        into / "venv",
        _RUNTIME,
        _python(),
        # uv takes a directory for unchanged as long as its pyproject.toml is.
        *("--reinstall-package", "mita-localstack"),
    )
    tool.environment(into / "functions", _FUNCTIONS, tool.find(_FUNCTIONS_PYTHON) or _python())


class _Uv:
    def __init__(self, store: Store, progress: Progress) -> None:
        self._store = store
        self._progress = progress
        self._log = store.log(NAME)
        # The index, the proxy and the user's certificates are the user's affair.
        self._inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        self._inherited.setdefault("UV_CACHE_DIR", str(store.root / "uv"))

    def environment(self, into: Path, project: Path, python: str | None, *options: str) -> None:
        """Make an environment with what a project's lock file pins."""
        chosen = {"UV_PROJECT_ENVIRONMENT": str(into)} | ({"UV_PYTHON": python} if python else {})
        # Relocatable, because it gets its final name only when it is whole.
        self._run(project, chosen, "venv", "--relocatable", str(into))
        self._run(project, chosen, "sync", "--locked", "--no-editable", "--compile-bytecode", *options)

    def find(self, version: str) -> str | None:
        """Find a Python of a version on this machine."""
        done = subprocess.run(
            [uv.find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", version],
            env=self._inherited,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def _run(self, project: Path, chosen: Mapping[str, str], *arguments: str) -> None:
        def tick(seconds: float) -> None:
            # The estimate is another machine's: never claim that all is done.
            detail = f"{seconds:.0f} s of about {_SECONDS} s"
            self._progress(Step(NAME, "progress", detail, min(seconds / _SECONDS, 0.99)))

        code = child.run(
            [uv.find_uv_bin(), *arguments, "--project", str(project)],
            directory=project,
            environment={**self._inherited, **chosen},
            log=self._log,
            tick=tick,
        )
        if code == 0:
            return
        output = self._log.read_text(errors="replace")
        if re.search(failures.NO_SPACE, output, re.IGNORECASE):
            raise failures.disk_full(self._store)
        raise MissingToolError(
            NAME,
            expected=f"`uv {arguments[0]}` to install what {project / 'uv.lock'} pins",
            seen=f"exit code {code}: {failures.last_lines(output)} (log: {self._log})",
            remedy="Let uv reach a package index (UV_DEFAULT_INDEX, HTTPS_PROXY) and a Python 3.12 or 3.13.",
        )


def _python() -> str | None:
    """Return the project's own interpreter if it serves; otherwise uv looks for one."""
    return sys.executable if sys.version_info[:2] <= _NEWEST_PYTHON else None


def _pinned_version() -> str:
    pinned = re.search(r"localstack-core\S*==([\d.]+)", (PLUGINS / "pyproject.toml").read_text())
    if pinned is None:
        msg = f"{PLUGINS / 'pyproject.toml'} pins no localstack-core"
        raise LookupError(msg)
    return pinned[1]


def _inputs() -> str:
    locked = [each / name for each in (_RUNTIME, _FUNCTIONS) for name in ("pyproject.toml", "uv.lock")]
    files = [*locked, PLUGINS / "pyproject.toml"]
    # Not the plug-ins' code: it is read where it is, and a change of it needs no installation.
    # The environment links to an interpreter, so it is of use only with that one.
    where = f"{platform.python_version()} {sysconfig.get_config_var('BINDIR')}" if _python() else ""
    return "\0".join([platform.machine(), where, *(f"{path.name}\0{path.read_text()}" for path in files)])
