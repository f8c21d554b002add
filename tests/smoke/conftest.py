"""An environment that runs and is deployed, and smoke runs in it."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from environments.embedded.environment import EmbeddedEnvironment
from environments.real import template
from evidence.model import Run, load_run
from tests.cli.commands import Mita

ROOT = Path(__file__).parents[2]
_SECONDS = 280


@dataclass(frozen=True)
class Smoke:
    """A smoke run that has ended.

    Attributes:
        code: Its exit status.
        seconds: Seconds of a processor that it took; those on the clock are a benchmark's, beside other work.
        output: What it printed.
        directory: Its report.
    """

    code: int
    seconds: float
    output: str
    directory: Path

    @property
    def results(self) -> Run:
        return load_run(self.directory)


@dataclass(frozen=True)
class Place:
    """The environment, its command, and what its processes are started with."""

    mita: Mita
    environment: EmbeddedEnvironment
    exports: Mapping[str, str]

    def smoke(self, into: Path, *options: str, planted: str = "", **variables: str) -> Smoke:
        """Run the scenarios that change nothing, as from the project's root; `planted` is a plug-in."""
        (into / "planted.py").write_text(planted)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-m", "production-smoke", "-p", "planted"),
                *(f"--report-dir={into / 'report'}", "-p", "no:cacheprovider", *options),
            ],
            cwd=ROOT,
            env={**self.surroundings(), "PYTHONPATH": str(into), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Smoke(done.returncode, took, done.stdout + done.stderr, into / "report")

    def surroundings(self) -> dict[str, str]:
        return {**os.environ, "MITA_STATE": str(self.mita.state)}

    def config(self, into: Path, *changes: tuple[str, str]) -> Path:
        """Describe the environment as if it were a real one."""
        access, text = self.environment.access, template()
        (into / "issuer.pem").write_text(access.certificate_authority)
        for before, after in (
            ('account = ""', 'account = "000000000000"'),
            ('context = ""', f'context = "{self.environment.cluster.context}"'),
            ('oidc_issuer = ""', f'oidc_issuer = "{access.oidc_issuer}"'),
            ("~/.kube/config", str(access.kubeconfig)),
            ('# role = "arn:aws:iam::ACCOUNT', 'role = "arn:aws:iam::000000000000'),
            ('# certificate_authority = "issuer-ca.pem"', 'certificate_authority = "issuer.pem"'),
            ('# application = "https://mita.example"', f'application = "{self.exports["MITA_APP_URL"]}"'),
            ('program = "helm"', f'program = "{access.tools["helm"]}"'),
            *changes,
        ):
            assert before in text, before
            text = text.replace(before, after, 1)
        path = into / "mita.toml"
        path.write_text(text)
        return path

    def records(self, session: str) -> list[dict[str, Any]]:
        """Return the audit trail's records of a role's session."""
        trail = self.mita.root() / "logs" / "cloudtrail.log"
        records = [json.loads(line) for line in trail.read_text().splitlines()]
        return [each for each in records if each["userIdentity"].get("arn", "").endswith(f"/{session}")]


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    # None of pytest's directories, which are closed to the account that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="mita-") as name, pytest.MonkeyPatch.context() as patch:
        Path(name).chmod(0o711)
        mita = Mita(Path(name))
        patch.setenv("MITA_STATE", name)
        try:
            for command in (("up",), ("deploy", "--rehearse", "--yes")):
                done = mita(*command)
                assert done.returncode == 0, done.stderr
            environment = EmbeddedEnvironment()
            assert environment.attach()
            yield Place(mita, environment, environment.exports())
        finally:
            mita("down")


def session_of(run: Smoke) -> str:
    """Return the name of the role's session that a run read in."""
    found = re.search(r"mita-production-smoke/(smoke-[0-9a-f]+)", run.output)
    assert found is not None, run.output
    return found[1]
