"""A Helm that only reads: a program of the same form that hands on no other command."""

from __future__ import annotations

import shlex
from pathlib import Path

from environments.guard.guard import ForbiddenCallError, Guard

REFUSED = 77
_REFUSALS = "refused-helm-commands"


class ReadOnlyHelm:
    """The program, in a directory of its run.

    Args:
        program: The real one.
        directory: Where it is written.
        guard: Says which commands there are, and is told of those refused.
    """

    def __init__(self, program: Path, directory: Path, guard: Guard) -> None:
        self._guard = guard
        self._refusals = directory / _REFUSALS
        self.path = directory / "helm"
        """Path of the program."""
        known = "|".join(guard.allowed.helm.commands)
        self.path.write_text(
            "#!/bin/sh\n"
            f'case "$1" in ({known}) exec {shlex.quote(str(program))} "$@";; esac\n'
            f"printf '%s\\n' \"$1\" >> {shlex.quote(str(self._refusals))}\n"
            'echo "helm $1: refused by the read-only guard, not run" >&2\n'
            f"exit {REFUSED}\n",
            encoding="utf-8",
        )
        self.path.chmod(0o700)

    def tell(self) -> None:
        """Tell the guard of the commands that were refused."""
        if self._refusals.exists():
            for command in self._refusals.read_text(encoding="utf-8").split():
                try:
                    self._guard.refuse(f"helm {command}", expected="a command that only reads")
                except ForbiddenCallError:
                    continue  # it is remembered, which is all that is wanted here
