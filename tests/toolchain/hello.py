"""A tiny Go module in a proxy made of files, so that real builds need no network."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

from environments.embedded.toolchain.program import Program

MODULE = "hello.invalid/hello"
VERSION = "v1.2.3"

_FILES = {
    "go.mod": f"module {MODULE}\n\ngo 1.24\n",
    "cmd/hello/main.go": f"""package main

import "{MODULE}/greeting"

var version = "unstamped"

func main() {{
	println("hello version", version, greeting.Of())
}}
""",
    "cmd/broken/main.go": "package main\n\nfunc main() { missing() }\n",
    "greeting/greeting.go": 'package greeting\n\nfunc Of() string {\n\treturn "to all"\n}\n',
}
_MAIN = f"module test.invalid/toolchain\n\ngo 1.24\n\ntool {MODULE}/cmd/hello\n\nrequire {MODULE} {VERSION}\n"


def make_proxy(root: Path) -> str:
    """Make the proxy's files, and return the URL for GOPROXY."""
    versions = root / MODULE / "@v"
    versions.mkdir(parents=True)
    (versions / "list").write_text(f"{VERSION}\n")
    (versions / f"{VERSION}.info").write_text(json.dumps({"Version": VERSION}))
    (versions / f"{VERSION}.mod").write_text(_FILES["go.mod"])
    with zipfile.ZipFile(versions / f"{VERSION}.zip", "w") as archive:
        for name, text in _FILES.items():
            archive.writestr(f"{MODULE}@{VERSION}/{name}", text)
    return f"file://{root}"


def make_module(directory: Path, proxy: str, modules: Path) -> None:
    """Write a ``go.mod`` that pins the module, and its ``go.sum``."""
    directory.mkdir()
    (directory / "go.mod").write_text(_MAIN)
    environment = {
        **os.environ,
        "GOPROXY": proxy,
        "GOSUMDB": "off",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(modules),
        "GOTOOLCHAIN": "local",
    }
    subprocess.run(["go", "mod", "tidy"], cwd=directory, env=environment, check=True, capture_output=True)


def program(directory: Path, **changes: object) -> Program:
    """Describe the module's program."""
    description: dict[str, object] = {
        "name": "hello",
        "directory": directory,
        "module": MODULE,
        "package": f"{MODULE}/cmd/hello",
        "stamps": ("main.version={version}",),
        "ask": ("--version",),
        "seconds": 10,
    }
    return Program(**(description | changes))  # type: ignore[arg-type]  # a test changes any attribute by name
