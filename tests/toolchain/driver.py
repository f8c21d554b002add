"""Another process that ensures the same program: to be killed, interrupted or met."""

from __future__ import annotations

import sys
from pathlib import Path

from deployer.progress import Step
from environments.embedded.toolchain.provision import Toolchain
from tests.toolchain import hello


def _write(step: Step, /) -> None:
    sys.stdout.write(f"{step.subject} {step.state} {step.detail}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    cache, directory = map(Path, sys.argv[1:])
    tools = Toolchain(cache, {"hello": hello.program(directory)}).ensure(_write, ["hello"])
    sys.stdout.write(f"{tools['hello']}\n")
