#!/usr/bin/python3 -I
"""Runs runc for a Docker daemon on a machine that lacks CAP_SYS_RESOURCE.

There `docker run --privileged`, and so kind, fails with "unable to apply caps": Docker
asks for every capability that it knows, for resource limits above the machine's own and
for a lower out-of-memory score.  This takes those three wishes out of what runc is told,
and changes nothing else.  A machine that has the capability does not need it.

`start` in this directory names it to the daemon that it starts.  It is for CI and for
developers: the project itself never changes a Docker that is there.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

CAPABILITY = "CAP_SYS_RESOURCE"
RUNC = "/usr/sbin/runc"


def without_privilege(process: dict[str, Any]) -> dict[str, Any]:
    """Return an OCI process that asks for nothing that needs the capability."""
    kept = {name: value for name, value in process.items() if name not in {"oomScoreAdj", "rlimits"}}
    if "capabilities" in kept:
        kept["capabilities"] = {
            kind: [name for name in names if name != CAPABILITY]
            for kind, names in kept["capabilities"].items()
        }
    return kept


def rewrite(arguments: list[str]) -> None:
    """Rewrite the files that a call of runc reads, of a container's start or of a command in it."""
    if (process := _value(arguments, "--process", "-p")) is not None and "exec" in arguments:
        path = Path(process)
        path.write_text(json.dumps(without_privilege(json.loads(path.read_text()))))
    if {"create", "run", "restore"} & set(arguments):
        path = Path(_value(arguments, "--bundle", "-b") or ".") / "config.json"
        bundle = json.loads(path.read_text())
        bundle["process"] = without_privilege(bundle.get("process", {}))
        path.write_text(json.dumps(bundle))


def _value(arguments: list[str], *names: str) -> str | None:
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            if equals:
                return value
            return arguments[position + 1] if position + 1 < len(arguments) else None
    return None


if __name__ == "__main__":
    rewrite(sys.argv[1:])
    os.execv(RUNC, ["runc", *sys.argv[1:]])  # noqa: S606 - the program is runc's, by its path
